import { describe, expect, it } from "vitest";
import type { Client } from "./client.ts";
import type { Published } from "./publisher.ts";
import { FakeEdge, LIMITS } from "./testing/fake-edge.ts";
import { at } from "./testing/frames.ts";

const ROOM = "room:1";

/** Publishes texts, and notes how each settled. */
function publish(client: Client, bodies: readonly string[], c = ROOM) {
  const settled: string[] = [];
  for (const body of bodies) {
    const options = body.length > 60 ? {} : { key: `k-${body}` };
    void client.publish(c, body, options).then(
      () => settled.push(body),
      ({ code }: { readonly code: string }) => settled.push(`${body}: ${code}`),
    );
  }
  return settled;
}

function pubs(edge: FakeEdge): string[] {
  return edge.socket.framesOf("pub").map(({ body = "" }) => body);
}

function idOf(edge: FakeEdge, body: string): number {
  return edge.socket.framesOf("pub").findLast((frame) => frame.body === body)?.id ?? -1;
}

function pubd(edge: FakeEdge, ...bodies: readonly string[]): void {
  for (const body of bodies) {
    edge.socket.deliver({ t: "pubd", id: idOf(edge, body), c: ROOM, pos: at(1), ts: 1 });
  }
}

function err(edge: FakeEdge, body: string, fields: object): void {
  const frame = { t: "err", id: idOf(edge, body), message: "", ...fields };
  edge.socket.text(JSON.stringify(frame));
}

describe("publishing", () => {
  it("tells where the message stands, and that it stood there already", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const first: Promise<Published> = client.publish(ROOM, "hello", {
      meta: { lang: "en" },
      type: "text/markdown",
    });
    await edge.clock.settle();
    const [frame] = edge.socket.framesOf("pub");
    expect(frame).toMatchObject({ c: ROOM, body: "hello", type: "text/markdown" });
    expect(frame?.key).toMatch(/^[0-9a-f-]{36}$/);
    const answer = { t: "pubd", id: frame?.id ?? 0, c: ROOM, pos: at(7), ts: 12 } as const;
    edge.socket.deliver({ ...answer, dup: true });
    const expected = { pos: at(7), ts: 12, key: frame?.key, isDuplicate: true };
    await expect(first).resolves.toEqual(expected);
  });

  it("sends each one behind the one before it, and never more than may be in flight", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    publish(client, ["a", "b", "c", "d", "e"]);
    publish(client, ["x"], "room:2");
    await edge.clock.settle();
    expect(pubs(edge)).toEqual(["a", "b", "c", "d"]);
    const behinds = edge.socket.framesOf("pub").map(({ behind }) => behind);
    expect(behinds).toEqual([undefined, ...["a", "b", "c"].map((body) => idOf(edge, body))]);
    pubd(edge, "a", "b");
    await edge.clock.settle();
    // A long queue takes its turn like all others.
    expect(pubs(edge).slice(4).toSorted()).toEqual(["e", "x"]);
    const ofE = edge.socket.framesOf("pub").find(({ body }) => body === "e");
    expect(ofE?.behind).toBe(idOf(edge, "d"));
  });

  it("what was written offline goes out first and in order, when the server has spoken", async () => {
    const edge = new FakeEdge();
    const client = await edge.connect({
      onState: ({ kind }) => kind === "ready" && void publish(client, ["b1"]),
    });
    publish(client, ["a1", "a2", "a3"]);
    await edge.clock.settle();
    expect(edge.socket.messages).toEqual([]);
    edge.socket.welcome();
    await edge.clock.settle();
    expect(pubs(edge)).toEqual(["a1", "a2", "a3", "b1"]);
  });

  it("sends what was not answered again after a cut, in order and with the same keys", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const settled = publish(client, ["a", "b", "c", "d", "e"]);
    await edge.clock.settle();
    pubd(edge, "a");
    await edge.cut();
    expect(pubs(edge)).toEqual(["b", "c", "d", "e"]);
    const frames = edge.socket.framesOf("pub");
    expect(frames.map(({ key }) => key)).toEqual(["k-b", "k-c", "k-d", "k-e"]);
    expect(frames[0]?.behind).toBeUndefined();
    pubd(edge, "b", "c", "d", "e");
    await edge.clock.settle();
    expect(settled).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("tries again what the server could not do, and lets nothing overtake it", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const settled = publish(client, ["a", "b", "c"]);
    await edge.clock.settle();
    err(edge, "a", { code: "unavailable", unknown: true, retryMs: 500 });
    publish(client, ["later"]);
    await edge.clock.advance(1_000);
    // Those behind it have not come back yet.
    expect(pubs(edge)).toEqual(["a", "b", "c"]);
    err(edge, "b", { code: "not-appended" });
    err(edge, "c", { code: "not-appended" });
    await edge.clock.advance(499);
    expect(pubs(edge)).toHaveLength(3);
    await edge.clock.advance(1);
    expect(pubs(edge).slice(3)).toEqual(["a", "b", "c", "later"]);
    const [first, second] = edge.socket.framesOf("pub").slice(3);
    expect(first?.behind).toBeUndefined();
    expect(second?.behind).toBe(first?.id);
    pubd(edge, "a", "b", "c");
    await edge.clock.settle();
    expect(settled).toEqual(["a", "b", "c"]);
  });

  it("fails the one that can't succeed to its caller, and sends those behind it once more", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const settled = publish(client, ["a", "b", "c"]);
    await edge.clock.settle();
    pubd(edge, "a");
    err(edge, "b", { code: "forbidden" });
    err(edge, "c", { code: "not-appended" });
    await edge.clock.advance(500);
    expect(pubs(edge)).toEqual(["a", "b", "c", "c"]);
    expect(edge.socket.framesOf("pub").at(-1)?.behind).toBeUndefined();
    pubd(edge, "c");
    await edge.clock.settle();
    expect(settled).toEqual(["a", "b: forbidden", "c"]);
  });

  it("refuses by itself what the server would refuse for its form or size", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const refused = (c: string, body: string, options = {}): Promise<void> =>
      client.publish(c, body, options).then(
        () => void codes.push("appended"),
        ({ code }: { readonly code: string }) => void codes.push(code),
      );
    const codes: string[] = [];
    await refused("", "x");
    await refused(ROOM, "\ud83d");
    await refused(ROOM, "x", { meta: { a: "\udf38" } });
    await refused(ROOM, "x", { key: "k".repeat(65) });
    await refused(ROOM, "x", { type: "t".repeat(128) });
    // Encoded bytes count, not characters.
    await refused(ROOM, "€".repeat(LIMITS.bodyBytes / 3 + 1));
    await refused(ROOM, "x", { meta: { a: "b".repeat(LIMITS.metaBytes) } });
    const form = ["bad-conversation", "bad-body", "bad-body", "bad-key", "bad-frame"];
    expect(codes).toEqual([...form, "body-too-large", "body-too-large"]);
    expect(pubs(edge)).toEqual([]);
    publish(client, ["next"]);
    await edge.clock.settle();
    expect(pubs(edge)).toEqual(["next"]);
  });

  it("never sends again what ended the line by its size", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const settled = publish(client, ["small", "l".repeat(1_000)]);
    await edge.clock.settle();
    edge.socket.end(1009);
    await edge.comeBack();
    expect(pubs(edge)).toEqual(["small"]);
    expect(settled).toEqual([`${"l".repeat(1_000)}: body-too-large`]);
  });

  it("keeps each text message within what the server takes", async () => {
    const edge = new FakeEdge();
    const client = await edge.connect();
    publish(
      client,
      ["a", "b", "c", "d"].map((letter) => "€".repeat(340) + letter),
    );
    edge.socket.welcome();
    await edge.clock.settle();
    expect(pubs(edge)).toHaveLength(4);
    const sizes = edge.socket.messages.map((text) => Buffer.byteLength(text));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(LIMITS.frameBytes);
  });

  it("is bounded in count and bytes: what does not fit fails at once", async () => {
    const edge = new FakeEdge();
    const client = await edge.connect();
    const settled = publish(
      client,
      Array.from({ length: 1_001 }, (_, index) => `${index}`),
    );
    await edge.clock.settle();
    expect(settled).toEqual(["1000: queue-full"]);
    const other = new FakeEdge();
    const large = publish(
      await other.connect(),
      Array.from({ length: 5 }, () => "x".repeat(1e6)),
    );
    await other.clock.settle();
    expect(large).toHaveLength(1);
  });

  it.each([
    ["what could never wait here", 4 * 1024 * 1024 + 1, false],
    ["what the server has said it does not take", LIMITS.bodyBytes + 1, true],
  ])(
    "calls %s too large, also while others wait: trying again is of no use",
    async (_, bytes, isKnown) => {
      const edge = new FakeEdge();
      const client = isKnown ? await edge.ready() : await edge.connect();
      if (isKnown) edge.socket.end(1006);
      publish(
        client,
        Array.from({ length: 1_000 }, (_unused, index) => `${index}`),
      );
      const refused = { code: "body-too-large", isRetryable: false };
      await expect(client.publish(ROOM, "x".repeat(bytes))).rejects.toMatchObject(refused);
    },
  );

  it("settles in time, and says what is known", async () => {
    const edge = new FakeEdge();
    const client = await edge.connect({ publishTimeoutMs: 10_000 });
    const outcome = (body: string): Promise<unknown> =>
      client.publish(ROOM, body).catch((error: unknown) => error);
    const early = outcome("early");
    await edge.clock.advance(4_000);
    edge.socket.welcome();
    await edge.clock.settle();
    await edge.clock.advance(3_000);
    edge.socket.end(1006);
    const late = outcome("late");
    await edge.clock.advance(3_000);
    await expect(early).resolves.toMatchObject({ code: "timed-out", isUnknown: true });
    await edge.clock.advance(7_000);
    await expect(late).resolves.toMatchObject({ code: "timed-out", isUnknown: false });
    edge.socket.welcome();
    await edge.clock.settle();
    expect(pubs(edge)).toEqual([]);
  });

  it("rejects what waits when the client is closed", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const settled = publish(client, ["a"]);
    client.close();
    await edge.clock.settle();
    expect(settled).toEqual(["a: closed"]);
    await expect(client.publish(ROOM, "b")).rejects.toMatchObject({ code: "closed" });
  });
});
