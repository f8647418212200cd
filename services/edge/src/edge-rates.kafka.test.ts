import { TcpProxy, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { EdgeStage, type LocalEdge, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";

const { publishPerSec, publishBurst, framesPerSec } = LIMITS.announced;
const AS_ANNOUNCED = {
  EDGE_PUBLISH_PER_SEC: String(publishPerSec),
  EDGE_PUBLISH_BURST: String(publishBurst),
};

let stage: EdgeStage;
let edge: LocalEdge;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
  edge = await stage.start("edge-1", {}, AS_ANNOUNCED);
});

afterEach(() => stage.close());

function answersOf(client: RawClient, firstId: number): DownJson[] {
  return client.frames.filter(({ id = -1 }) => id >= firstId);
}

describe("publishing faster than announced", () => {
  it("is refused for a while, over all connections of the user, and for nobody else", async () => {
    const c = "room:fast";
    const [one, two] = [await stage.connect(edge, "alice"), await stage.connect(edge, "alice")];
    const reader = await stage.connect(edge, "reader");
    await subscribe(reader, c, "live");
    const halves = [one, two].map((client, side) => {
      const first = 1_000;
      const frames = Array.from({ length: publishBurst }, (_, index) => {
        const key = `${side}-${index}`;
        return { t: "pub", id: first + index, c, key, body: key };
      });
      client.sendText(JSON.stringify(frames));
      return client;
    });
    await waitFor(() => halves.every((client) => answersOf(client, 1_000).length >= publishBurst), {
      what: "all answers",
    });
    const answers = halves.flatMap((client) => answersOf(client, 1_000));
    const refused = answers.filter(({ code }) => code === "rate-limited");
    const others = answers.filter(({ t, code }) => t === "err" && code !== "rate-limited");
    const stored = answers.filter(({ t }) => t === "pubd").length;
    expect(refused.length).toBeGreaterThan(publishBurst / 2);
    expect(refused.every(({ retryMs }) => (retryMs ?? 0) > 0 && (retryMs ?? 0) <= 1_000)).toBe(
      true,
    );
    // The second window of publishes in flight is its own limit.
    expect(others.every(({ code }) => code === "too-many-in-flight")).toBe(true);
    for (const client of halves) {
      const ids = answersOf(client, 1_000).map(({ id }) => id);
      expect(ids).toEqual(ids.toSorted((a = 0, b = 0) => a - b));
    }
    await publish(reader, c, ["another user"]);
    await waitFor(() => reader.bodies(c).includes("another user"), { what: "the other's message" });
    expect(reader.messages(c)).toHaveLength(stored + 1);
    expect([one.closeCode, two.closeCode]).toEqual([undefined, undefined]);
  });

  it("breaks the chain of the refused one, and retryMs is enough", async () => {
    const c = "room:chain";
    const client = await stage.connect(edge, "alice");
    await subscribe(client, c, "live");
    const firstId = 1_000;
    const count = publishBurst + 60;
    const send = (id: number, behind?: number): void =>
      client.send({ t: "pub", id, c, key: `k${id}`, body: `m${id}`, ...(behind && { behind }) });
    for (let sent = 0; sent < count; sent += 50) {
      for (let index = sent; index < Math.min(count, sent + 50); index++) {
        send(firstId + index, index > 0 ? firstId + index - 1 : undefined);
      }
      const wanted = Math.min(count, sent + 50);
      await waitFor(() => answersOf(client, firstId).length >= wanted, { what: "answers" });
    }
    const answers = answersOf(client, firstId);
    const failed = answers.findIndex(({ t }) => t === "err");
    expect(answers[failed]?.code).toBe("rate-limited");
    expect(answers.slice(failed).every(({ t }) => t === "err")).toBe(true);
    const { retryMs = 0 } = answers[answers.length - 1] ?? {};
    const retryAtMs = performance.now() + Math.max(retryMs, answers[failed]?.retryMs ?? 0);
    await waitFor(() => performance.now() >= retryAtMs, { what: "its time" });
    const again = await client.request({ t: "pub", c, body: "again" });
    expect(again.t).toBe("pubd");
    await whenHas(client, c, [
      ...Array.from({ length: failed }, (_, index) => `m${firstId + index}`),
      "again",
    ]);
  });
});

describe("frames faster than announced", () => {
  it("are refused, not executed, and a flood ends with 4450", async () => {
    const c = "room:flood";
    const neighbour = await stage.connect(edge, "neighbour");
    await subscribe(neighbour, c, "live");
    const client = await stage.connect(edge, "alice");
    const pings = Array.from({ length: 1_000 }, (_, id) => ({ t: "ping", id: 10_000 + id }));
    client.sendText(JSON.stringify(pings));
    await waitFor(() => answersOf(client, 10_000).length === 1_000, { what: "all pongs" });
    const late = Array.from({ length: 60 }, (_, id) => ({ t: "sub", id: 20_000 + id, c }));
    client.sendText(JSON.stringify(late));
    await waitFor(() => answersOf(client, 20_000).length >= 60, { what: "the refusals" });
    const refused = answersOf(client, 20_000).filter(({ code }) => code === "rate-limited");
    // A few may have come after the bucket got something again.
    expect(refused.length).toBeGreaterThan(1);
    expect(refused.every(({ retryMs }) => (retryMs ?? 0) > 0)).toBe(true);
    expect(client.closeCode).toBeUndefined();
    for (let round = 0; round < 20 && client.closeCode === undefined; round++) {
      client.sendText(JSON.stringify(pings));
      await waitFor(() => true, { what: "a turn" });
    }
    await waitFor(() => client.closeCode !== undefined, { what: "the end of the flood" });
    expect(client.closeCode).toBe(4450);
    await publish(neighbour, c, ["unharmed"]);
    await whenHas(neighbour, c, ["unharmed"]);
  });

  it("within the announced rate nobody is ever refused", async () => {
    const proxy = await TcpProxy.start({ targetPort: edge.port });
    stage.atEnd(() => proxy.close());
    const ws = `ws://127.0.0.1:${proxy.port}/v1/connect`;
    const client = await stage.connect({ ws }, "alice");
    const startMs = performance.now();
    let sent = 0;
    await waitFor(
      () => {
        const due = Math.floor(((performance.now() - startMs) * framesPerSec) / 1_000);
        while (sent < due) client.send({ t: "ping", id: sent++ });
        return sent > 2 * framesPerSec;
      },
      { what: "two seconds of frames" },
    );
    await waitFor(() => client.frames.filter(({ t }) => t === "pong").length === sent, {
      what: "all pongs",
    });
    expect(client.frames.filter(({ t }) => t === "err")).toEqual([]);
  });
});
