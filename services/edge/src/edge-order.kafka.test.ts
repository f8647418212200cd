import { MemoryLog, MemoryTopic } from "@millrace/log";
import { delay, must, silentLogger, systemClock } from "@millrace/runtime";
import {
  type ConversationId,
  type EpochId,
  type UserId,
  parsePosition,
  partitionOf,
} from "@millrace/schemas";
import { encodeMessage } from "@millrace/schemas/record";
import { runConsoleProducer, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import type { PublishGate } from "./publish/publish-gate.ts";
import { RedisCursorStore } from "./session/cursor-store.ts";
import { RedisHealth } from "./redis/redis-health.ts";
import { connectRedis } from "./redis/redis-link.ts";
import { EdgeStage, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import { foreignMessage } from "./testing/foreign-message.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";

const PARTITIONS = 12;

let stage: EdgeStage;
let brokers: string[];

beforeEach(async () => {
  brokers = inject("kafkaBrokers");
  stage = await EdgeStage.open({ brokers, redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

// C-001
it("One sender's messages stay in order however long each check takes", async () => {
  const c = "room:checks";
  const [senders, messages, refused] = [20, 500, 250];
  const gate: PublishGate = {
    check: async (_, publishes) => {
      await delay(systemClock, Math.random() * 100);
      return publishes.map(() => ({ kind: "append" }));
    },
  };
  const announced = { ...LIMITS.announced, publishesInFlight: messages };
  const edge = await stage.start("edge-1", { gate, limits: { ...LIMITS, announced } });
  const clients = await Promise.all(
    Array.from({ length: senders }, (_, index) => stage.connect(edge, `sender-${index}`)),
  );
  for (let index = 1; index <= messages; index++) {
    for (const [number, client] of clients.entries()) {
      // Half of them make a chain, the others say nothing of what came before.
      const behind = number % 2 === 0 && index > 1 ? { behind: index - 1 } : {};
      const body = index === refused ? 7 : `${number}/${index}`;
      client.send({ t: "pub", id: index, c, body, ...behind });
    }
  }
  for (const client of clients) {
    await waitFor(() => answersOf(client).length >= messages, { what: "all answers" });
  }
  const reader = await stage.connect(edge, "reader");
  await subscribe(reader, c, "earliest");
  await reader.next(({ t }) => t === "live", "the whole topic");
  const stored = reader.bodies(c);
  for (const [number, client] of clients.entries()) {
    const answers = answersOf(client);
    expect(answers.map(({ id }) => id)).toEqual(answers.map((_, index) => index + 1));
    const acknowledged = answers.filter(({ t }) => t === "pubd").map(({ id }) => `${number}/${id}`);
    expect(stored.filter((body) => body.startsWith(`${number}/`))).toEqual(acknowledged);
    expect(answers[refused - 1]).toMatchObject({ t: "err", code: "bad-frame" });
    const behind = answers.slice(refused).map(({ t, code }) => code ?? t);
    const outcome = number % 2 === 0 ? "not-appended" : "pubd";
    expect(new Set(behind)).toEqual(new Set([outcome]));
  }
});

function answersOf(client: RawClient): DownJson[] {
  return client.frames.filter(({ id }) => id !== undefined);
}

// C-008
it("Every writer sends a conversation to the same partition", async () => {
  const kinds = ["room:", "部屋:", "🌸-", "x".repeat(190), ""];
  const keys = Array.from({ length: 1_000 }, (_, index) =>
    index % 7 === 0 ? crypto.randomUUID() : `${kinds[index % kinds.length]}${index}`,
  );
  const edge = await stage.start("edge-1");
  const { topic } = stage;
  await runConsoleProducer({ brokers, topic, records: keys.map((key) => ({ key, value: "x" })) });
  const found = await partitionsByKey();
  expect(found.size).toBe(keys.length);
  for (const key of keys) {
    expect([key, found.get(key)]).toEqual([key, partitionOf(Buffer.from(key), PARTITIONS)]);
  }

  // Short texts of no more than 63 bytes: their Avro is text, as the console needs it.
  const rooms = Array.from({ length: 20 }, (_, index) => `${kinds[index % 3]}chat-${index}`);
  const client = await stage.connect(edge, "writer");
  for (const c of rooms) await subscribe(client, c, "live");
  for (const c of rooms) await publish(client, c, ["by the edge"]);
  const records = rooms.map((c) => ({ key: c, value: avroText(c, "by the console") }));
  await runConsoleProducer({ brokers, topic, records });
  for (const c of rooms) await whenHas(client, c, ["by the edge", "by the console"]);
});

function avroText(conversation: string, content: string): string {
  const message = foreignMessage(conversation, content);
  const bytes = encodeMessage({ ...message, sender: "java", group: null, sentAt: 1n });
  const text = Buffer.from(bytes).toString();
  if (!Buffer.from(text).equals(bytes) || text.includes("\n")) throw new Error("not text");
  return text;
}

async function partitionsByKey(): Promise<Map<string, number>> {
  const log = stage.kafkaLog();
  await log.open();
  const { id: epoch } = must(log.epoch, "an open log");
  const found = new Map<string, number>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let offset = 0n; ;) {
      const request = { partition, offset, epoch, waitMs: 0, bytesMax: 1_048_576 };
      const chunk = await log.readFrom(request);
      if (chunk.kind !== "chunk") throw new Error(chunk.kind);
      for (const { key } of chunk.records) found.set(Buffer.from(key ?? "").toString(), partition);
      offset = chunk.next;
      if (offset === chunk.endOffset) break;
    }
  }
  await log.close({ settleMs: 0 });
  return found;
}

// C-048
it("Positions are compared as whole numbers of any size", async () => {
  const redis = connectRedis(inject("redisUrl"), { logger: silentLogger });
  stage.atEnd(async () => redis.disconnect());
  const health = new RedisHealth(redis, { clock: systemClock, logger: silentLogger });
  const epoch = stage.topic.slice(-8) as EpochId;
  const store = new RedisCursorStore(redis, health, () => epoch);
  await waitFor(() => redis.isReady, { what: "Redis" });
  await store.endRebuild("test", (await store.beginRebuild("test")) ?? []);
  const lower = [9n, 99n, 2n ** 31n - 1n, 2n ** 53n, 2n ** 63n - 2n];
  for (const offset of lower) {
    const conversation = `room:${offset}` as ConversationId;
    const user = `user-${stage.topic.slice(-12)}` as UserId;
    const key = { user, holder: { kind: "device", name: "d" }, conversation } as const;
    const write = async (of: bigint): Promise<void> => {
      const position = must(parsePosition(`AAAAAAAA.0.${of}`), "a position");
      expect(await store.write([{ key, position }])).toEqual([true]);
    };
    const isAt = async (of: bigint): Promise<void> =>
      expect(await store.read(key)).toEqual({ kind: "position", text: `AAAAAAAA.0.${of}` });
    await write(offset);
    await isAt(offset);
    await write(offset + 1n);
    await isAt(offset + 1n);
    await write(offset);
    await isAt(offset + 1n);
  }

  const c = "room:far";
  const first = 2n ** 53n + 1n;
  const topic = new MemoryTopic({ startOffset: first });
  const edge = await stage.start("edge-1", { log: new MemoryLog({ topic }) });
  const reader = await stage.connect(edge, "reader", "phone");
  await subscribe(reader, c, "earliest");
  await publish(reader, c, ["m0", "m1", "m2"]);
  await whenHas(reader, c, ["m0", "m1", "m2"]);
  const positions = reader.messages(c).map(({ pos }) => must(pos, "a position"));
  const digits = [1n, 2n, 3n].map((more) => String(first + more));
  expect(positions.map((pos) => pos.split(".")[2])).toEqual(digits);
  for (const pos of [positions[1], positions[0]]) {
    expect((await reader.request({ t: "ack", c, pos })).t).toBe("ackd");
  }
  reader.terminate();
  const back = await stage.connect(edge, "reader", "phone");
  expect((await subscribe(back, c, "acked")).pos).toBe(positions[1]);
  await whenHas(back, c, ["m2"]);
});
