import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { must, seededRandom } from "@millrace/runtime";
import { type EdgeProcess, RedisServer, redisCommand, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import {
  EdgeStage,
  publish,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import { metricOf } from "../../services/edge/src/testing/metric-of.ts";
import type { DownJson, RawClient } from "../../services/edge/src/testing/raw-client.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const READERS = IS_FULL ? 500 : 50;
const OUTAGE_MS = IS_FULL ? 300_000 : 5_000;
const ACK_EVERY_MS = IS_FULL ? 1_000 : 100;
const PATIENCE_MS = 60_000;
const DEVICE = "phone";
const C = "room:outage";

let redis: RedisServer;
let stage: EdgeStage;

beforeEach(async () => {
  redis = await RedisServer.start();
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: redis.url });
});

afterEach(async () => {
  await stage.close();
  await redis.stop();
});

/** As a client does that was told `unavailable`. */
function ackedOf(client: RawClient, c: string): Promise<DownJson> {
  const isKnown = async (): Promise<DownJson | undefined> => {
    const answer = await subscribe(client, c, "acked");
    return answer.code === "unavailable" ? undefined : answer;
  };
  return waitFor(isKnown, { what: "the acknowledged position", timeoutMs: PATIENCE_MS });
}

/** One device that acknowledges what it has, and now and then comes back on a new line. */
class Reader {
  readonly user: string;
  readonly #edges: readonly EdgeProcess[];
  readonly #random: () => number;
  #client: RawClient | undefined;
  #told: string | undefined;
  #acked: string | undefined;

  constructor(user: string, edges: readonly EdgeProcess[], random: () => number) {
    this.user = user;
    this.#edges = edges;
    this.#random = random;
  }

  /** The highest position that it has acknowledged. */
  get acked(): string {
    return must(this.#acked, "an acknowledged position");
  }

  async come(): Promise<void> {
    const edge = must(this.#edges[Math.floor(this.#random() * this.#edges.length)], "an edge");
    this.#client = await stage.connectWith(edge, this.user, { device: DEVICE });
    const from = this.#told === undefined ? "earliest" : { after: this.#told };
    expect(await subscribe(this.#client, C, from)).toMatchObject({ t: "subd" });
  }

  acknowledge(): void {
    this.#told = this.#client?.position(C) ?? this.#told;
    if (this.#told === undefined) return;
    this.#client?.send({ t: "ack", c: C, pos: this.#told });
    this.#acked = this.#told;
  }

  async maybeReturn(): Promise<void> {
    if (this.#random() > 0.02) return;
    this.leave();
    await this.come();
  }

  leave(): void {
    this.#client?.terminate();
  }
}

// C-059
it("A long Redis outage costs bounded memory and never turns a position back", async () => {
  const edges = [await stage.spawn("edge-1"), await stage.spawn("edge-2")];
  const [edge, other] = [must(edges[0], "an edge"), must(edges[1], "an edge")];
  const writer = await stage.connectWith(edge, "writer");
  await publish(writer, C, ["first"]);
  const random = seededRandom(59);
  const readers = Array.from({ length: READERS }, (_, at) => new Reader(`r${at}`, edges, random));
  for (const reader of readers) await reader.come();
  const live = async (forMs: number): Promise<void> => {
    const startMs = performance.now();
    for (let round = 0; performance.now() - startMs < forMs; round++) {
      await publish(writer, C, [`at-${Math.round(startMs)}-${round}`]);
      for (const reader of readers) reader.acknowledge();
      await Promise.all(readers.map((reader) => reader.maybeReturn()));
      await sleep(ACK_EVERY_MS);
    }
  };
  await live(2_000);
  const beforeBytes = await metricOf(edge, "process_resident_memory_bytes");
  await redis.kill();
  await live(OUTAGE_MS);
  const afterBytes = await metricOf(edge, "process_resident_memory_bytes");
  for (const one of edges) {
    const pending = await metricOf(one, "millrace_cursors_pending");
    expect(pending).toBeLessThanOrEqual(READERS);
    expect(await metricOf(one, "millrace_redis_up")).toBe(0);
  }
  const growth = afterBytes / beforeBytes;
  process.stdout.write(`redis away for ${OUTAGE_MS} ms: memory × ${growth.toFixed(2)}\n`);
  // A short run is still warming up.
  if (IS_FULL) expect(growth).toBeLessThan(1.2);
  // It comes back with what it had before.
  await redis.restart();
  const isWritten = async (): Promise<boolean> =>
    (await metricOf(edge, "millrace_cursors_pending")) === 0 &&
    (await metricOf(other, "millrace_cursors_pending")) === 0;
  await waitFor(isWritten, { what: "nothing waits for Redis any more", timeoutMs: PATIENCE_MS });
  for (const reader of readers) {
    reader.leave();
    const late = await stage.connectWith(other, reader.user, { device: DEVICE });
    expect(await ackedOf(late, C)).toMatchObject({ t: "subd", pos: reader.acked });
    late.terminate();
  }
}, 600_000);

/** More than it may have, from now on. */
async function fill(): Promise<void> {
  await redisCommand(redis.port, "CONFIG", "SET", "maxmemory", "1");
}

async function chat(edge: EdgeProcess, name: string): Promise<void> {
  const client = await stage.connectWith(edge, name, { device: DEVICE });
  await subscribe(client, C, "live");
  await publish(client, C, [`${name}-says`]);
  await whenHas(client, C, [`${name}-says`]);
  client.terminate();
}

describe("a full Redis", () => {
  // C-061
  it("A full Redis costs comfort, not messages", async () => {
    const edge = await stage.spawn("edge-1");
    const writer = await stage.connectWith(edge, "writer");
    const reader = await stage.connectWith(edge, "reader", { device: DEVICE });
    await subscribe(reader, C, "earliest");
    await publish(writer, C, ["m1", "m2"]);
    await whenHas(reader, C, ["m1", "m2"]);
    const [first, second] = reader.messages(C);
    expect((await reader.request({ t: "ack", c: C, pos: first?.pos })).t).toBe("ackd");
    // Redis is known to have all cursors before it has no room for anything more.
    const early = await stage.connectWith(edge, "early", { device: DEVICE });
    expect((await ackedOf(early, C)).t).toBe("subd");
    await fill();
    await publish(writer, C, ["m3"]);
    await whenHas(reader, C, ["m1", "m2", "m3"]);
    const refused = await reader.request({ t: "ack", c: C, pos: second?.pos });
    expect(refused).toMatchObject({ t: "err", code: "unavailable" });
    for (const name of ["new-1", "new-2"]) await chat(edge, name);
    // What is there can still be read, and what waits is known where it waits.
    const back = await stage.connectWith(edge, "reader", { device: DEVICE });
    expect(await ackedOf(back, C)).toMatchObject({ t: "subd", pos: second?.pos });
    expect(await metricOf(edge, "millrace_redis_refusals_total")).toBeGreaterThan(0);
    expect(readFileSync(edge.child.outputFile, "utf8")).toContain("redis refuses");
    await redisCommand(redis.port, "CONFIG", "SET", "maxmemory", "0");
    const isWritten = async (): Promise<boolean> =>
      (await metricOf(edge, "millrace_cursors_pending")) === 0;
    await waitFor(isWritten, { what: "what waited is stored" });
    await expectLifetimes();
  });

  it("A cursor that Redis has thrown away is not taken for one that never was", async () => {
    await redisCommand(redis.port, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    const edge = await stage.spawn("edge-1");
    expect(readFileSync(edge.child.outputFile, "utf8")).toContain("redis may evict keys");
    const writer = await stage.connectWith(edge, "writer");
    const reader = await stage.connectWith(edge, "reader", { device: DEVICE });
    await subscribe(reader, C, "earliest");
    await publish(writer, C, ["m1", "m2", "m3"]);
    await whenHas(reader, C, ["m1", "m2", "m3"]);
    const [, second] = reader.messages(C);
    await waitFor(
      async () => (await reader.request({ t: "ack", c: C, pos: second?.pos })).t === "ackd",
      {
        what: "the acknowledgement",
      },
    );
    reader.terminate();
    await evictCursors();
    await chat(edge, "new-1");
    const back = await stage.connectWith(edge, "reader", { device: DEVICE });
    const answer = await subscribe(back, C, "acked");
    if (answer.t === "err") expect(answer).toMatchObject({ code: "unavailable" });
    else expect(answer).toMatchObject({ t: "subd", pos: second?.pos });
    expect(await subscribe(back, C, { after: second?.pos })).toMatchObject({ t: "subd" });
    await back.next(({ body }) => body === "m3", "what it had not acknowledged");
  });
});

/** As the policy does, now and for certain. */
async function evictCursors(): Promise<void> {
  const script =
    "for _, key in ipairs(redis.call('KEYS', 'mr:cursor:*:reader:*')) do redis.call('DEL', key) end";
  await redisCommand(redis.port, "EVAL", script, "0");
}

/** Every key has a lifetime, or is one of those that docs/operations.md gives a reason for. */
async function expectLifetimes(): Promise<void> {
  const script = `
local found = {}
for _, key in ipairs(redis.call('KEYS', 'mr:*')) do
  if redis.call('PTTL', key) == -1 then found[#found + 1] = key end
end
return table.concat(found, ' ')`;
  const found = await redisCommand(redis.port, "EVAL", script, "0");
  const [, keys = ""] = found.split("\r\n");
  const unreasoned = keys.split(" ").filter((key) => key !== "" && !/:(since|whole)$/.test(key));
  expect(unreasoned).toEqual([]);
}
