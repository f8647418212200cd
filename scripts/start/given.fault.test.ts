import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { credentialsIn } from "@millrace/runtime";
import { MESSAGES_TOPIC, controlTopicOf, cursorsTopicOf } from "@millrace/schemas";
import { type Message, encodeMessage } from "@millrace/schemas/record";
import {
  CertificateAuthority,
  KafkaCluster,
  RedisServer,
  TlsTerminator,
  allowOnGroups,
  allowOnTopic,
  answersReady,
  freePort,
  setScramPassword,
  waitFor,
  withProducer,
} from "@millrace/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readTopic } from "@millrace/testkit/judge";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const START_MS = 60_000;
const PASSWORD = "open-sesame";
const REDIS_LEAST = "~mr:* -@all +info +hget +hset +pexpire +eval +evalsha";
const FRESH = ["+scan", "+unlink"];

const MESSAGE: Message = {
  id: "0198a000-0000-7000-8000-000000000000",
  conversation: "room:given",
  sender: "alice",
  recipient: null,
  group: "given",
  key: null,
  contentType: "text/plain",
  content: "hello",
  meta: {},
  ref: null,
  op: null,
  sentAt: 1n,
};

const authority = new CertificateAuthority("millrace test authority");
const files = { "ca.crt": authority.certificate, username: "edge", password: PASSWORD };

let folder: string;
let kafka: KafkaCluster;
let redis: RedisServer;
let tls: TlsTerminator;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-given-"));
  const user = ["--user", "edge", "on", `>${PASSWORD}`, ...REDIS_LEAST.split(" "), ...FRESH];
  [kafka, redis] = await Promise.all([
    KafkaCluster.start({ brokers: 1, secured: { authority } }),
    RedisServer.start(user),
  ]);
  tls = await TlsTerminator.start({ targetPort: redis.port, authority });
  const { brokers } = kafka;
  await setScramPassword(brokers, { user: "edge", password: PASSWORD });
  const operations = ["READ", "WRITE", "DESCRIBE_CONFIGS", "CREATE"] as const;
  const principal = "User:edge";
  const own = [cursorsTopicOf(MESSAGES_TOPIC), controlTopicOf(MESSAGES_TOPIC)];
  for (const topic of [MESSAGES_TOPIC, ...own]) {
    await allowOnTopic(brokers, { principal, topic, operations });
  }
});

afterAll(async () => {
  await tls.close();
  await Promise.all([kafka.stop(), redis.stop()]);
  rmSync(folder, { recursive: true });
});

function secretsIn(name: string, texts: Readonly<Record<string, string>>): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(texts)) writeFileSync(join(path, file), text);
  return path;
}

async function start(args: readonly string[], env: Readonly<Record<string, string>>) {
  const port = await freePort();
  const places = ["--port", String(port), "--data", join(folder, "data")];
  const child = spawn(process.execPath, ["scripts/launch.mjs", "start", ...places, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const run = { child, port, output: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (run.output += text));
  }
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { run, ended };
}

it("npm start creates the topic and serves on a Kafka and a Redis that ask who it is", async () => {
  const readyFile = join(folder, "ready.json");
  const given = {
    KAFKA_BROKERS: kafka.securedBrokers("SASL_SSL").join(","),
    REDIS_URL: `rediss://127.0.0.1:${tls.port}`,
  };
  const wrong = secretsIn("wrong", { ...files, password: "open-barley" });
  const [kafkaDir, redisDir] = [secretsIn("kafka", files), secretsIn("redis", files)];
  for (const dirs of [
    { KAFKA_SECURITY_DIR: wrong, REDIS_SECURITY_DIR: redisDir },
    { KAFKA_SECURITY_DIR: kafkaDir, REDIS_SECURITY_DIR: wrong },
  ]) {
    const { run, ended } = await start([], { ...given, ...dirs });
    expect(await ended).toBe(1);
    expect(run.output).toMatch(/can't be used: .*(invalid credentials|WRONGPASS)/);
    expect(run.output).not.toMatch(/open-(barley|sesame)/);
  }
  const dirs = { KAFKA_SECURITY_DIR: kafkaDir, REDIS_SECURITY_DIR: redisDir };
  const fresh = ["--fresh", "--yes", "--ready-file", readyFile];
  const { run, ended } = await start(fresh, { ...given, ...dirs });
  await waitFor(
    () => {
      if (run.child.exitCode !== null) throw new Error(`it ended:\n${run.output}`);
      return existsSync(readyFile);
    },
    { what: "the ready file", timeoutMs: START_MS },
  );
  expect(await answersReady(run.port)).toBe(true);
  expect(run.output + readFileSync(readyFile, "utf8")).not.toContain(PASSWORD);
  // What proves a topic afterwards logs in, too; with a group of its own.
  const brokers = kafka.securedBrokers("SASL_SSL");
  const reading = { brokers, topic: MESSAGES_TOPIC, epoch: "epoch" };
  const credentials = credentialsIn(kafkaDir);
  await allowOnGroups(kafka.brokers, { principal: "User:edge", prefix: "verify-" });
  const value = Buffer.from(encodeMessage(MESSAGE));
  await withProducer(kafka.brokers, (producer) =>
    producer.send({ topic: MESSAGES_TOPIC, messages: [{ key: "room:given", value }] }),
  );
  expect(await readTopic({ ...reading, credentials })).toHaveLength(1);
  run.child.kill("SIGTERM");
  expect(await ended).toBe(0);
});
