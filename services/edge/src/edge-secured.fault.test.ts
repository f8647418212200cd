import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TopicPurpose, ensureTopic } from "@millrace/log";
import { silentLogger } from "@millrace/runtime";
import { ownershipGroupOf } from "@millrace/schemas";
import {
  CertificateAuthority,
  type EdgeProcess,
  KafkaCluster,
  RedisServer,
  TlsTerminator,
  allowInGroup,
  allowOnTopic,
  freePort,
  redisCommand,
  setScramPassword,
  waitFor,
} from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { Operator } from "./testing/operator.ts";
import { byPartition } from "./testing/metric-of.ts";
import { REDIS_LEAST } from "./testing/redis-least.ts";
import { EdgeStage, bodiesFrom, publish, subscribe, whenHas } from "./testing/edge-stage.ts";

const KAFKA_PASSWORD = "kafka-sesame";
const REDIS_PASSWORD = "redis-sesame";

/** All that docs/operations.md says is needed. */
const KAFKA_LEAST = ["READ", "WRITE", "DESCRIBE_CONFIGS"] as const;

const SEVERAL_TRIES_MS = 6_000;

/** `EDGE_DRAIN_MS` of the stage, and what the end of a process takes. */
const DRAINED_MS = 8_000;

const authority = new CertificateAuthority("millrace test authority");
let kafka: KafkaCluster;
let redis: RedisServer;
let tls: TlsTerminator;
let stage: EdgeStage;
let folder: string;

beforeAll(async () => {
  const rights = ["~mr:*", "&mr:*", "-@all", ...REDIS_LEAST];
  const user = ["--user", "edge", "on", `>${REDIS_PASSWORD}`, ...rights];
  [kafka, redis] = await Promise.all([
    KafkaCluster.start({ brokers: 1, secured: { authority } }),
    RedisServer.start(user),
  ]);
  tls = await TlsTerminator.start({ targetPort: redis.port, authority });
});

afterAll(async () => {
  await tls.close();
  await Promise.all([kafka.stop(), redis.stop()]);
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-secured-"));
  writeFileSync(outputFile(), "");
  put("kafka", { "ca.crt": authority.certificate, username: "edge", password: KAFKA_PASSWORD });
  put("redis", { "ca.crt": authority.certificate, username: "edge", password: REDIS_PASSWORD });
  await setScramPassword(kafka.brokers, { user: "edge", password: KAFKA_PASSWORD });
  stage = await EdgeStage.open({
    brokers: kafka.securedBrokers("SASL_SSL"),
    redisUrl: `rediss://127.0.0.1:${tls.port}`,
    env: {
      EDGE_KAFKA_SECURITY_DIR: join(folder, "kafka"),
      EDGE_REDIS_SECURITY_DIR: join(folder, "redis"),
      EDGE_LOG_LEVEL: "debug",
    },
  });
  await provide(stage.topic, "messages");
  await provide(stage.cursorsTopic, "cursors");
  await provide(stage.controlTopic, "control");
});

/** The last of the rights that docs/operations.md lists. */
function allowGroup(): Promise<void> {
  const group = ownershipGroupOf(stage.topic);
  return allowInGroup(kafka.brokers, { principal: "User:edge", group });
}

async function owned(edge: EdgeProcess): Promise<number> {
  return (await byPartition(edge, "millrace_partition_owned")).size;
}

/** The topic, with the edge's rights on it. */
async function provide(topic: string, purpose: TopicPurpose): Promise<void> {
  const { brokers } = kafka;
  const options = { brokers, topic, purpose, isDevelopment: true, logger: silentLogger };
  // A broker knows of a topic a moment after it was made; an edge asks again as well.
  await waitFor(() => ensureTopic(options).catch(() => false), { what: topic });
  await allowOnTopic(brokers, { principal: "User:edge", topic, operations: KAFKA_LEAST });
}

afterEach(async () => {
  await stage.close();
  rmSync(folder, { recursive: true });
});

function put(name: "kafka" | "redis", files: Readonly<Record<string, string>>): void {
  mkdirSync(join(folder, name), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text);
}

function outputFile(): string {
  return join(folder, "edge.log");
}

/** Everything it has logged, down to debug; without one of the secrets. */
function output(...secrets: readonly string[]): string {
  const text = readFileSync(outputFile(), "utf8");
  for (const secret of [KAFKA_PASSWORD, REDIS_PASSWORD, "PRIVATE KEY", ...secrets]) {
    expect(text).not.toContain(secret);
  }
  return text;
}

function spawn(env: Readonly<Record<string, string>> = {}): Promise<EdgeProcess> {
  return stage.spawn("edge-1", { env, outputFile: outputFile() });
}

it("An edge publishes, delivers, resumes, keeps cursors and rules with the least rights, over TLS", async () => {
  const c = "room:secured";
  const adminPort = await freePort();
  await allowGroup();
  const edge = await spawn({ EDGE_ADMIN: `127.0.0.1:${adminPort}` });
  await waitFor(async () => (await owned(edge)) > 0, { what: "its partitions" });
  const writer = await stage.connect(edge, "writer");
  const reader = await stage.connect(edge, "reader", "phone");
  await subscribe(reader, c, "live");
  await publish(writer, c, bodiesFrom(0, 100));
  await whenHas(reader, c, bodiesFrom(0, 100));
  const pos = reader.messages(c)[39]?.pos;
  expect((await reader.request({ t: "ack", c, pos })).t).toBe("ackd");
  reader.terminate();
  await publish(writer, c, bodiesFrom(100, 120));
  const back = await stage.connect(edge, "reader");
  await subscribe(back, c, { after: reader.position(c) });
  await whenHas(back, c, bodiesFrom(100, 120));
  const phone = await stage.connect(edge, "reader", "phone");
  await subscribe(phone, c, "acked");
  await whenHas(phone, c, bodiesFrom(40, 120));
  await (await Operator.at(stage, adminPort)).ban("reader");
  await waitFor(() => phone.closeCode === 4403, { what: "the reader's end" });
  expect(output()).not.toMatch(/"level":[45]0/);
});

it("An edge without the right on its group serves as any other, warns once, and owns once it has it", async () => {
  const c = "room:groupless";
  const edge = await spawn();
  const beganMs = performance.now();
  const [writer, reader] = [
    await stage.connect(edge, "writer"),
    await stage.connect(edge, "reader"),
  ];
  await subscribe(reader, c, "live");
  await publish(writer, c, bodiesFrom(0, 100));
  await whenHas(reader, c, bodiesFrom(0, 100));
  const warnings = (): string[] => output().match(/"level":[45]0.*/g) ?? [];
  await waitFor(() => warnings().length > 0, { what: "the warning" });
  // Long enough that it has tried several times.
  await waitFor(() => performance.now() - beganMs > SEVERAL_TRIES_MS, { what: "several tries" });
  expect(warnings()).toHaveLength(1);
  expect(warnings()[0]).toContain("no member of the group, which costs no delivery");
  expect(await owned(edge)).toBe(0);
  await allowGroup();
  await waitFor(async () => (await owned(edge)) > 0, { what: "its partitions" });
  await publish(writer, c, bodiesFrom(100, 120));
  await whenHas(reader, c, bodiesFrom(0, 120));
  const stoppedMs = performance.now();
  expect(await edge.terminate()).toBe(0);
  expect(performance.now() - stoppedMs).toBeLessThan(DRAINED_MS);
});

it("An edge with wrong passwords lives, says so without them, and serves when they are put right", async () => {
  put("kafka", { password: "kafka-barley" });
  put("redis", { password: "redis-barley" });
  const spawned = spawn();
  await waitFor(() => output().split("invalid credentials").length > 2, {
    what: "more than one attempt",
  });
  put("kafka", { password: KAFKA_PASSWORD });
  const edge = await spawned;
  await waitFor(() => output("kafka-barley", "redis-barley").includes("WRONGPASS"), {
    what: "what is wrong with Redis",
  });
  const client = await stage.connect(edge, "writer", "phone");
  await subscribe(client, "room:late", "live");
  await publish(client, "room:late", ["first"]);
  await whenHas(client, "room:late", ["first"]);
  const { pos } = client.messages("room:late")[0] ?? {};
  const acknowledge = async (): Promise<boolean> =>
    (await client.request({ t: "ack", c: "room:late", pos })).t === "ackd";
  expect(await acknowledge()).toBe(false);
  put("redis", { password: REDIS_PASSWORD });
  await waitFor(acknowledge, { what: "a cursor that is kept" });
  output("kafka-barley", "redis-barley");
});

it("Passwords that change while messages flow cost no message and no acknowledgement", async () => {
  const c = "room:rotating";
  await allowGroup();
  const edge = await spawn();
  const [writer, reader] = [
    await stage.connect(edge, "writer"),
    await stage.connect(edge, "reader", "phone"),
  ];
  await subscribe(reader, c, "live");
  const end = new AbortController();
  const published = publishUntil(writer, c, end.signal);
  await redisCommand(redis.port, "ACL", "SETUSER", "edge", ">redis-second");
  await setScramPassword(kafka.brokers, { user: "edge", password: "kafka-second" });
  put("kafka", { password: "kafka-second" });
  put("redis", { password: "redis-second" });
  for (const renewed of ["connections were renewed", "redis is connected to with the changed"]) {
    await waitFor(() => output().includes(renewed), { what: renewed });
  }
  await redisCommand(redis.port, "ACL", "SETUSER", "edge", `<${REDIS_PASSWORD}`);
  const { length } = reader.messages(c);
  await waitFor(() => reader.messages(c).length > length + 200, { what: "more messages" });
  const last = reader.messages(c).at(-1)?.pos;
  expect((await reader.request({ t: "ack", c, pos: last })).t).toBe("ackd");
  end.abort();
  const all = await published;
  await whenHas(reader, c, all);
  expect(output("kafka-second", "redis-second")).not.toMatch(/"level":[45]0/);
  await redisCommand(redis.port, "ACL", "SETUSER", "edge", "resetpass", `>${REDIS_PASSWORD}`);
});

/** What it has published until then, each acknowledged. */
async function publishUntil(
  client: Parameters<typeof publish>[0],
  c: string,
  signal: AbortSignal,
): Promise<string[]> {
  const all: string[] = [];
  while (!signal.aborted) {
    const bodies = bodiesFrom(all.length, all.length + 10);
    await publish(client, c, bodies);
    all.push(...bodies);
  }
  return all;
}
