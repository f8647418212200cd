import { describe, expect, it } from "vitest";
import type { Client } from "./client.ts";
import type { SubscribeOptions, Subscription } from "./subscription.ts";
import { FakeEdge } from "./testing/fake-edge.ts";
import { at, live, messages, msg, subd } from "./testing/frames.ts";

const ROOM = "room:1";

/** A subscriber that notes what it was handed. */
function follow(client: Client, options: Partial<SubscribeOptions> = {}) {
  const seen: string[] = [];
  const errors: string[] = [];
  const subscription = client.subscribe(ROOM, {
    onMessage: ({ pos }) => void seen.push(numberOf(pos)),
    onGap: ({ after, pos, reason, missed }) =>
      void seen.push(`gap ${numberOf(after)}-${numberOf(pos)} ${reason} ${missed}`),
    onLive: () => void seen.push("live"),
    onError: ({ code }) => void errors.push(code),
    ...options,
  });
  return { seen, errors, subscription };
}

function numberOf(position: string): string {
  return position.split(".")[2] ?? "";
}

/** The newest request for the room, answered. */
function answerSub(edge: FakeEdge, n: number): void {
  edge.socket.deliver(subd(edge.socket.framesOf("sub").at(-1)?.id, n));
}

function acks(edge: FakeEdge): unknown[] {
  return edge.socket.framesOf("ack").map(({ pos }) => pos);
}

async function following(options: Partial<SubscribeOptions> = {}) {
  const edge = new FakeEdge();
  const client = await edge.ready();
  const follower = follow(client, options);
  await edge.clock.settle();
  answerSub(edge, 0);
  return { edge, client, ...follower };
}

describe("a subscription", () => {
  it("hands over messages, gaps and live in the order in which they come", async () => {
    const { edge, seen, subscription } = await following();
    edge.socket.deliver(
      msg(1),
      { t: "gap", c: ROOM, after: at(1), pos: at(5), reason: "expired", missed: 4 },
      msg(6),
      live(8),
      msg(9, { prev: at(8) }),
    );
    expect(seen).toEqual(["1", "gap 1-5 expired 4", "6", "live", "9"]);
    expect(subscription.position).toBe(at(9));
    expect(subscription.isLive).toBe(true);
  });

  it("that has received nothing yet resumes where it began", async () => {
    const { edge } = await following();
    await edge.cut();
    expect(edge.socket.framesOf("sub")[0]?.from).toEqual({ after: at(0) });
  });

  it("asks again behind the last good message when one is missing", async () => {
    const { edge, seen, subscription } = await following();
    edge.socket.deliver(msg(1), msg(3), msg(4));
    await edge.clock.settle();
    expect(edge.socket.framesOf("sub").at(-1)?.from).toEqual({ after: at(1) });
    // What still comes of the old subscription belongs to it.
    edge.socket.deliver(msg(5));
    answerSub(edge, 1);
    edge.socket.deliver(...messages(2, 6));
    expect(seen).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(subscription.position).toBe(at(6));
  });

  it("also when a gap does not begin where it stands", async () => {
    const { edge, seen } = await following();
    const gap = { after: at(3), pos: at(5), reason: "expired", missed: null } as const;
    edge.socket.deliver(msg(1), { t: "gap", c: ROOM, ...gap });
    await edge.clock.settle();
    expect(edge.socket.framesOf("sub").at(-1)?.from).toEqual({ after: at(1) });
    expect(seen).toEqual(["1"]);
  });

  it("asks less and less often when the server breaks the run again and again", async () => {
    const { edge } = await following();
    for (let round = 0; round < 3; round++) {
      edge.socket.deliver(msg(7));
      await edge.clock.settle();
      answerSub(edge, 0);
    }
    // At once the first time, then after a pause.
    expect(edge.socket.framesOf("sub")).toHaveLength(2);
    await edge.clock.advance(1_000);
    expect(edge.socket.framesOf("sub")).toHaveLength(3);
  });

  it("resumes behind the unbroken run, never behind the newest message", async () => {
    const { edge, seen, subscription } = await following();
    edge.socket.deliver(...messages(1, 10));
    await edge.cut();
    answerSub(edge, 10);
    edge.socket.deliver(...messages(11, 13));
    // A live message that overtook the catch-up.
    edge.socket.deliver(msg(21, { prev: at(20) }));
    expect(subscription.position).toBe(at(13));
    await edge.cut();
    expect(edge.socket.framesOf("sub")[0]?.from).toEqual({ after: at(13) });
    answerSub(edge, 13);
    edge.socket.deliver(...messages(14, 25));
    expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => String(index + 1)));
  });

  it("retries when the server can't say, and ends on a word that is final", async () => {
    const edge = new FakeEdge();
    const { errors, subscription } = follow(await edge.ready(), { from: "acked" });
    await edge.clock.settle();
    const [{ id = 0 } = {}] = edge.socket.framesOf("sub");
    edge.socket.deliver({ t: "err", id, code: "unavailable", message: "", retryMs: 400 });
    await edge.clock.advance(399);
    expect(edge.socket.framesOf("sub")).toHaveLength(1);
    await edge.clock.advance(1);
    const again = edge.socket.framesOf("sub")[1];
    expect(again?.from).toBe("acked");
    edge.socket.deliver({ t: "err", id: again?.id ?? 0, code: "forbidden", message: "" });
    expect(errors).toEqual(["forbidden"]);
    expect(subscription.isEnded).toBe(true);
    await edge.cut();
    expect(edge.socket.framesOf("sub")).toEqual([]);
  });

  it("that the server takes away ends, and says why", async () => {
    const { edge, client, errors, subscription } = await following();
    edge.socket.deliver({ t: "unsubd", c: ROOM, code: "forbidden" });
    expect(errors).toEqual(["forbidden"]);
    expect(subscription.isEnded).toBe(true);
    expect(() => follow(client)).not.toThrow();
  });

  it("is one per conversation", async () => {
    const { client, subscription } = await following();
    expect(() => follow(client)).toThrow("followed already");
    subscription.unsubscribe();
    subscription.unsubscribe();
    expect(() => follow(client)).not.toThrow();
    expect(() => client.subscribe("", { onMessage: () => undefined })).toThrow(TypeError);
  });

  it("takes nothing that was meant for the one before it", async () => {
    const { edge, client, seen, subscription } = await following();
    edge.socket.deliver(msg(1));
    subscription.unsubscribe();
    const second = follow(client);
    await edge.clock.settle();
    edge.socket.deliver(msg(2), { t: "unsubd", c: ROOM });
    answerSub(edge, 2);
    edge.socket.deliver(msg(3));
    expect(seen).toEqual(["1"]);
    expect(second.seen).toEqual(["3"]);
    expect(edge.socket.frames.map(({ t }) => t)).toEqual(["sub", "unsub", "sub"]);
  });

  it("drops the second record of one sender and key, and nothing else", async () => {
    const { edge, seen, subscription } = await following();
    edge.socket.deliver(
      msg(1, { key: "a" }),
      msg(2, { key: "a", from: "eve" }),
      msg(3, { key: "b" }),
      msg(4, { key: "a" }),
      msg(5, { key: "b", ts: 4_000_000 }),
    );
    expect(seen).toEqual(["1", "2", "3", "5"]);
    expect(subscription.position).toBe(at(5));
  });
});

describe("a handler that takes its time", () => {
  it("gets one message after the other, and across a cut each of them once", async () => {
    const started: string[] = [];
    const finish: (() => void)[] = [];
    const { edge, subscription } = await following({
      onMessage: ({ pos }) => {
        started.push(numberOf(pos));
        return new Promise<void>((resolve) => finish.push(resolve));
      },
    });
    edge.socket.deliver(...messages(1, 5));
    expect(started).toEqual(["1"]);
    finish.shift()?.();
    await edge.clock.settle();
    expect(started).toEqual(["1", "2"]);
    expect(subscription.position).toBe(at(1));
    await edge.cut();
    // The one that is being handled is not asked for again, and those behind it are.
    expect(edge.socket.framesOf("sub")[0]?.from).toEqual({ after: at(2) });
    answerSub(edge, 2);
    edge.socket.deliver(...messages(3, 5));
    while (finish.length > 0) {
      finish.shift()?.();
      await edge.clock.settle();
    }
    expect(started).toEqual(["1", "2", "3", "4", "5"]);
    expect(subscription.position).toBe(at(5));
  });

  it("hears nothing any more once unsubscribe has returned", async () => {
    const finish: (() => void)[] = [];
    const seen: string[] = [];
    const { edge, subscription } = await following({
      onMessage: ({ pos }) => {
        seen.push(pos);
        return new Promise<void>((resolve) => finish.push(resolve));
      },
    });
    edge.socket.deliver(...messages(1, 5));
    subscription.unsubscribe();
    finish.shift()?.();
    await edge.clock.settle();
    edge.socket.deliver(...messages(6, 9));
    expect(seen).toEqual([at(1)]);
  });

  it("holds up the server, not the memory: the log keeps what does not fit", async () => {
    const finish: (() => void)[] = [];
    let handled = 0;
    const { edge } = await following({
      onMessage: () => {
        handled += 1;
        if (handled > 1) return undefined;
        return new Promise<void>((resolve) => finish.push(resolve));
      },
    });
    edge.socket.deliver(...messages(1, 1_500));
    await edge.clock.settle();
    expect(edge.socket.framesOf("unsub")).toHaveLength(1);
    finish.shift()?.();
    await edge.clock.settle();
    expect(handled).toBe(1_002);
    expect(edge.socket.framesOf("sub")[1]?.from).toEqual({ after: at(1_002) });
    answerSub(edge, 1_002);
    edge.socket.deliver(...messages(1_003, 1_500));
    expect(handled).toBe(1_500);
  });

  it("may fail: that is reported, and the next message comes", async () => {
    const { edge, seen, errors, subscription } = await following({
      onGap: () => Promise.reject(new Error("mine")),
    });
    edge.socket.deliver(
      { t: "gap", c: ROOM, after: at(0), pos: at(1), reason: "expired", missed: 1 },
      msg(2),
    );
    await edge.clock.settle();
    expect(errors).toEqual(["handler-failed"]);
    expect(seen).toEqual(["2"]);
    expect(subscription.isEnded).toBe(false);
  });
});

describe("an acknowledgement", () => {
  it("is folded to the newest, and repeated on a new line until it is confirmed", async () => {
    const { edge, subscription } = await following();
    edge.socket.deliver(...messages(1, 9));
    for (const n of [1, 3, 9, 7]) subscription.acknowledge(at(n));
    await edge.clock.advance(200);
    expect(acks(edge)).toEqual([at(9)]);
    await edge.cut();
    expect(acks(edge)).toEqual([at(9)]);
    const [{ id = 0 } = {}] = edge.socket.framesOf("ack");
    edge.socket.deliver({ t: "ackd", id, c: ROOM, pos: at(9) });
    await edge.cut();
    expect(acks(edge)).toEqual([]);
  });

  it("can't run ahead of what was handed over", async () => {
    const { edge, subscription } = await following();
    edge.socket.deliver(...messages(1, 9));
    expect(() => subscription.acknowledge(at(10))).toThrow(RangeError);
    expect(() => subscription.acknowledge("BBBBBBBB.0.3")).toThrow(RangeError);
    expect(() => subscription.acknowledge("nonsense")).toThrow(RangeError);
  });

  it("goes out at the end, too, and follows the handlers when that is wished", async () => {
    const handled: Subscription[] = [];
    const { edge, client } = await following({
      isAutoAcknowledged: true,
      onMessage: (_, subscription) => void handled.push(subscription),
    });
    edge.socket.deliver(...messages(1, 3));
    client.close();
    expect(acks(edge)).toEqual([at(3)]);
    expect(handled).toHaveLength(3);
  });

  it("is tried again when the server can't store it now", async () => {
    const { edge, subscription } = await following();
    edge.socket.deliver(msg(1));
    subscription.acknowledge();
    await edge.clock.advance(200);
    const [{ id = 0 } = {}] = edge.socket.framesOf("ack");
    edge.socket.deliver({ t: "err", id, code: "unavailable", message: "", retryMs: 1_000 });
    await edge.clock.advance(999);
    expect(acks(edge)).toEqual([at(1)]);
    await edge.clock.advance(1);
    expect(acks(edge)).toEqual([at(1), at(1)]);
  });
});
