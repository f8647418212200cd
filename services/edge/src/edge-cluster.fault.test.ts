import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { delay, must, systemClock } from "@millrace/runtime";
import { partitionOf } from "@millrace/schemas";
import {
  KafkaCluster,
  TcpProxy,
  configureTopic,
  makeTopic,
  waitFor,
  withAdmin,
} from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from "vitest";
import { EdgeStage, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";
import { roomIn } from "./testing/room-in.ts";

const PARTITIONS = 12;
const BROKERS = [0, 1, 2];
const PATIENCE_MS = 60_000;
/** Unanswered publishes of one client. */
const AT_ONCE = 10;
const PRODUCTION = { EDGE_DEVELOPMENT: "false" };

let cluster: KafkaCluster;
let stage: EdgeStage;

beforeAll(async () => {
  // As careless as a broker's own defaults: the edge must not rely on them.
  const settings = { "auto.create.topics.enable": "true", "num.partitions": "1" };
  cluster = await KafkaCluster.start({ brokers: 3, proxied: true, settings });
}, 90_000);

afterAll(() => cluster.stop());

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: cluster.brokers, redisUrl: inject("redisUrl") });
});

afterEach(async () => {
  for (const index of BROKERS) {
    cluster.proxy(index).inspect(undefined);
    cluster.proxy(index).delay(0);
  }
  await stage.close();
});

function isAnswered(client: RawClient, id: number): boolean {
  return client.frames.some((frame) => frame.id === id);
}

// C-002
it("A retried message is never overtaken by the next one of its conversation", async () => {
  const c = "room:retried";
  const edge = await stage.spawn("edge-1", { env: PRODUCTION });
  const partition = partitionOf(Buffer.from(c), PARTITIONS);
  const reader = await stage.connect(edge, "reader");
  await subscribe(reader, c, "live");
  const writer = await stage.connect(edge, "writer");
  await publish(writer, c, ["first"]);

  const cuts = disturb(c, 10);
  const moves = { areLeft: true };
  const moving = (async () => {
    for (const node of [1, 2, 3, 1, 2]) await cluster.moveLeader(stage.topic, partition, node);
  })().finally(() => {
    moves.areLeft = false;
  });
  const first = 10_000;
  let last = first;
  const isStored = (id: number): boolean =>
    writer.frames.some((frame) => frame.id === id && frame.t === "pubd");
  while (moves.areLeft || cuts.left() > 0 || last - first < 500) {
    // One that stands behind a failed one fails with it: who sees that begins a new chain.
    const chain = last;
    while (last < chain + 20) {
      const behind = last > chain || isStored(last - 1) ? { behind: last - 1 } : {};
      writer.send({ t: "pub", id: last, c, key: String(last), body: `a${last}`, ...behind });
      last += 1;
    }
    const newest = last - 1;
    await waitFor(() => isAnswered(writer, newest), { what: "answers", timeoutMs: PATIENCE_MS });
  }
  await moving;
  const answers = writer.frames.filter(({ id }) => (id ?? 0) >= first);
  expect(answers.map(({ id }) => id)).toEqual(answers.map((_, index) => first + index));
  const failed = answers.filter(({ t }) => t !== "pubd");
  expect(failed.every(({ code }) => code === "unavailable" || code === "not-appended")).toBe(true);
  const acknowledged = answers
    .filter(({ t }) => t === "pubd")
    .map(({ id, pos = "" }) => ({ c, from: "writer", key: String(id), pos }));
  const surely = acknowledged.map(({ key }) => key);
  const perhaps = new Set(failed.filter(({ unknown }) => unknown).map(({ id }) => String(id)));
  await store(writer, { c, key: "last", body: "last" });
  await reader.next(({ body }) => body === "last", "the last message");
  const keys = reader
    .messages(c)
    .slice(1, -1)
    .map(({ key }) => key ?? "");
  expect(keys.filter((key) => !perhaps.has(key))).toEqual(surely);
  expect((await stage.judge({ reader: [reader] }, acknowledged)).offences).toEqual([]);
});

/** Cuts the connection so many times, in turn before an append and between it and its answer. */
function disturb(marker: string, times: number): { left(): number } {
  let left = times;
  let lastMs = 0;
  const armed = new Set<string>();
  for (const index of BROKERS) {
    cluster.proxy(index).inspect((data, direction, connection) => {
      const name = `${index}/${connection}`;
      if (direction === "up" && left > 0 && data.includes(marker)) {
        // Each cut hits a connection that has settled since the last one.
        if (performance.now() - lastMs < 150) return "pass";
        lastMs = performance.now();
        left -= 1;
        if (left % 2 === 0) return "cut";
        armed.add(name);
      }
      return direction === "down" && armed.delete(name) ? "cut" : "pass";
    });
  }
  return { left: () => left };
}

// C-029
it("Bytes that were accepted are the bytes that are stored and delivered", async () => {
  const [connections, each] = [100, 100];
  const edge = await stage.spawn("edge-1", { env: PRODUCTION });
  const rooms = Array.from({ length: 10 }, (_, index) => `room:bytes-${index}`);
  const receivers = [await stage.connect(edge, "one"), await stage.connect(edge, "two")];
  for (const receiver of receivers) {
    for (const c of rooms) await subscribe(receiver, c, "live");
  }
  // The producer has to queue: each way takes a while.
  for (const index of BROKERS) cluster.proxy(index).delay(100);
  await Promise.all(
    Array.from({ length: connections }, async (_, index) => {
      const client = await stage.connect(edge, `writer-${index}`);
      const bodies = Array.from({ length: each }, (__, number) => checkedBody(number));
      // Equal bodies are different messages.
      const room = must(rooms[index % rooms.length], "a room");
      for (let start = 0; start < each; start += AT_ONCE) {
        const some = bodies.slice(start, start + AT_ONCE);
        await Promise.all(
          some.map((body, at) => store(client, { c: room, key: `${index}-${start + at}`, body })),
        );
      }
    }),
  );
  for (const index of BROKERS) cluster.proxy(index).delay(0);
  const late = await stage.connect(edge, "late");
  for (const c of rooms) await subscribe(late, c, "earliest");
  for (const client of [...receivers, late]) {
    for (const c of rooms) {
      const count = (connections / rooms.length) * each;
      await waitFor(() => client.messages(c).length >= count, { what: `all of ${c}` });
      expect(client.bodies(c).filter((body) => !isChecked(body))).toEqual([]);
      expect(client.messages(c)).toHaveLength(count);
    }
    expect(client.offence).toBeUndefined();
  }
  const problems = readFileSync(edge.child.outputFile, "utf8")
    .split("\n")
    .filter((line) => line.includes('"level":"error"') || line.includes('"level":50'));
  expect(problems).toEqual([]);
});

/** On a busy machine it may take longer than the edge waits: the key makes it once however often it is sent. */
async function store(
  client: RawClient,
  message: { readonly c: string; readonly key: string; readonly body: string },
): Promise<void> {
  const isStored = async () => (await client.request({ t: "pub", ...message })).t === "pubd";
  await waitFor(isStored, { what: "a message is stored", timeoutMs: PATIENCE_MS });
}

/** From 10 bytes to the largest that is allowed; few are large. */
function checkedBody(number: number): string {
  const bytes = number % 100 === 0 ? 16_384 : 10 + (number % 10) ** 4;
  const text = randomBytes(Math.ceil(bytes / 2))
    .toString("hex")
    .slice(0, Math.max(2, bytes - 8));
  return checksum(text) + text;
}

function isChecked(body: string): boolean {
  return body.startsWith(checksum(body.slice(8)));
}

function checksum(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

// C-052
it("A message the broker refuses fails alone", async () => {
  const c = "room:lowered";
  const edge = await stage.spawn("edge-1", { env: PRODUCTION });
  const reader = await stage.connect(edge, "reader");
  await subscribe(reader, c, "live");
  const small = await Promise.all(
    Array.from({ length: 50 }, (_, index) => stage.connect(edge, `small-${index}`)),
  );
  const large = await stage.connect(edge, "large");
  await configureTopic(cluster.directBrokers, stage.topic, {
    "max.message.bytes": "12000",
    "min.insync.replicas": "2",
    "message.timestamp.type": "LogAppendTime",
  });
  // A broker knows of the change a moment later.
  const isRefused = async (): Promise<boolean> => {
    const answer = await large.request({ t: "pub", c: "room:other", body: incompressible(12_300) });
    return answer.code === "body-too-large";
  };
  await waitFor(isRefused, { what: "the lowered limit" });
  const answers = [
    ...small.map((client, index) =>
      client.request({ t: "pub", c, body: `${index}`.padEnd(1_000) }),
    ),
    large.request({ t: "pub", c, key: "nearly", body: incompressible(11_900) }),
    large.request({ t: "pub", c, key: "beyond", body: incompressible(12_300) }),
  ];
  const outcomes = await Promise.all(answers);
  const [nearly, beyond] = outcomes.splice(50);
  expect(outcomes.filter(({ t }) => t !== "pubd")).toEqual([]);
  expect(beyond).toMatchObject({ t: "err", code: "body-too-large" });
  // Key, ids and framing count as well: it is either stored or refused for its size.
  expect(nearly?.code ?? "stored").toMatch(/^(stored|body-too-large)$/);
  await publish(must(small[0], "a client"), c, ["goes on"]);
  await reader.next(({ body }) => body === "goes on", "what came after it");
  const keys = reader.messages(c).map(({ key }) => key);
  expect(keys).not.toContain("beyond");
  expect(reader.messages(c)).toHaveLength(51 + (nearly?.t === "pubd" ? 1 : 0));
  expect(reader.offence).toBeUndefined();
  const page = await (await fetch(edge.metrics)).text();
  expect(page).toMatch(/millrace_records_refused_total\{why="max\.message\.bytes"\} [1-9]/);
});

/** Text of three-byte characters that no compression makes smaller. */
function incompressible(bytes: number): string {
  const codes = [...randomBytes(Math.floor(bytes / 3) * 2)];
  return Array.from({ length: codes.length / 2 }, (_, index) => {
    const code = ((codes[2 * index] ?? 0) << 8) | (codes[2 * index + 1] ?? 0);
    return String.fromCharCode(0x3000 + (code % 0x7000));
  }).join("");
}

// C-053
it("An edge will not serve from a topic that could lose messages", async () => {
  const good = {
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": "1048588",
  };
  const bad: [string, number, number, Record<string, string>][] = [
    ["partitions is 1, wanted 12", 1, 3, good],
    ["replication.factor is 1, wanted 3", 12, 1, { ...good, "min.insync.replicas": "1" }],
    ["min.insync.replicas is 1, wanted 2", 12, 3, { ...good, "min.insync.replicas": "1" }],
    ["cleanup.policy is compact, wanted delete", 12, 3, { ...good, "cleanup.policy": "compact" }],
  ];
  for (const [index, [line, numPartitions, replicationFactor, settings]] of bad.entries()) {
    const topic = `${stage.topic}-${index}`;
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    const config = { topic, numPartitions, replicationFactor, configEntries };
    await makeTopic(cluster.directBrokers, config);
    const refused = stage.spawn("edge-1", { env: { ...PRODUCTION, EDGE_TOPIC: topic } });
    await expect(refused).rejects.toThrow(line);
  }

  const c = "room:safe";
  const edge = await stage.spawn("edge-1", { env: PRODUCTION });
  const [place] = await withAdmin(cluster.directBrokers, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [stage.topic] });
    return topics;
  });
  expect(place?.partitions.map(({ replicas }) => replicas.length)).toEqual(
    Array.from({ length: PARTITIONS }, () => 3),
  );
  const client = await stage.connect(edge, "writer");
  await publish(client, c, ["with all"]);
  const leader = place?.partitions.find(
    ({ partitionId }) => partitionId === partitionOf(Buffer.from(c), PARTITIONS),
  )?.leader;
  const others = BROKERS.filter((index) => index + 1 !== leader);
  for (const index of others) cluster.pause(index);
  const answer = await client.request({ t: "pub", c, body: "with too few" });
  expect(answer).toMatchObject({ t: "err", code: "unavailable" });
  for (const index of others) cluster.resume(index);
  await whenPublishes(client, c);
});

// C-054
it("One dead partition stops only its own conversations", async () => {
  const dead = 5;
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  const replicaAssignment = partitions.map((partition) => ({
    partition,
    replicas: [partition === dead ? 3 : 1 + (partition % 2)],
  }));
  const configEntries = [{ name: "message.timestamp.type", value: "LogAppendTime" }];
  const { topic } = stage;
  await makeTopic(cluster.directBrokers, { topic, replicaAssignment, configEntries });
  const rooms = partitions.map((partition) => roomIn(partition, PARTITIONS));
  const sick = must(rooms[dead], "the room of the dead partition");
  const healthy = rooms.filter((c) => c !== sick);
  await cluster.kill(2);

  const edge = await stage.spawn("edge-1");
  const startMs = performance.now();
  const client = await stage.connect(edge, "alice");
  expect(performance.now() - startMs).toBeLessThan(10_000);
  const sickly = subscribe(client, sick, "earliest");
  for (const c of healthy) expect((await subscribe(client, c, "earliest")).t).toBe("subd");
  for (const c of healthy) await publish(client, c, ["works"]);
  for (const c of healthy) await whenHas(client, c, ["works"]);
  const answers = [await sickly, await client.request({ t: "pub", c: sick, body: "not now" })];
  for (const answer of answers) {
    expect(answer).toMatchObject({ t: "err", code: "unavailable", retryMs: expect.any(Number) });
  }
  await cluster.restart(2);
  await whenPublishes(client, sick);
  await whenSubscribed(client, sick);
  await client.next(({ body, c }) => body === "again" && c === sick, "what was written to it");
});

/** From the log's start; a partition that is not back yet refuses. */
async function whenSubscribed(client: RawClient, c: string): Promise<void> {
  const isSubscribed = async () => (await subscribe(client, c, "earliest")).t === "subd";
  await waitFor(isSubscribed, { what: `${c} can be read`, timeoutMs: PATIENCE_MS });
}

/** Until one is stored. */
async function whenPublishes(client: RawClient, c: string): Promise<void> {
  const isStored = async () => (await client.request({ t: "pub", c, body: "again" })).t === "pubd";
  await waitFor(isStored, { what: `${c} can be written`, timeoutMs: PATIENCE_MS });
}

// The last one here: it moves the brokers.
// C-049
it("The edge finds Kafka again after brokers die or move", async () => {
  const c = "room:numbers";
  const partition = partitionOf(Buffer.from(c), PARTITIONS);
  const direct = cluster.directBrokers.map((address) => Number(address.split(":")[1]));
  const names = await Promise.all(direct.map((targetPort) => TcpProxy.start({ targetPort })));
  for (const name of names) stage.atEnd(() => name.close());
  const bootstrap = names.map(({ port }) => `127.0.0.1:${port}`).join(",");
  const edge = await stage.spawn("edge-1", {
    env: { ...PRODUCTION, EDGE_KAFKA_BROKERS: bootstrap },
  });
  const numbers = new Numbers(await stage.connect(edge, "writer"), c);
  await numbers.whenAcknowledged(20);

  await cluster.moveLeader(stage.topic, partition, 1);
  await cluster.kill(0);
  await numbers.whenAcknowledged(20);
  await cluster.restart(0);

  for (const index of BROKERS) await cluster.kill(index);
  await numbers.whenRefused(20);
  await cluster.restartElsewhere();
  const moved = cluster.directBrokers.map((address) => Number(address.split(":")[1]));
  for (const [index, name] of names.entries()) name.aimAt(must(moved[index], "a port"));
  await numbers.whenAcknowledged(20);
  await numbers.end();
  expect(edge.child.hasExited).toBe(false);

  const reader = await stage.connect(edge, "reader");
  await whenSubscribed(reader, c);
  const { surely, perhaps } = numbers;
  const isComplete = (): boolean => {
    const bodies = new Set(reader.bodies(c));
    return surely.every((body) => bodies.has(body));
  };
  await waitFor(isComplete, { what: "the whole log", timeoutMs: PATIENCE_MS });
  const stored = reader.bodies(c);
  expect(stored.filter((body) => !perhaps.has(body))).toEqual(
    // Waiting for many answers at once tells nothing of their order.
    surely.toSorted((a, b) => Number(a) - Number(b)),
  );
  expect(stored).toEqual(stored.toSorted((a, b) => Number(a) - Number(b)));
  expect(new Set(stored).size).toBe(stored.length);
});

/** Publishes numbers, 20 a second, and remembers what was said of each. */
class Numbers {
  readonly #client: RawClient;
  readonly #end = new AbortController();
  readonly #sending: Promise<void>;
  readonly surely: string[] = [];
  readonly perhaps = new Set<string>();
  #refused = 0;

  constructor(client: RawClient, c: string) {
    this.#client = client;
    this.#sending = this.#send(c);
  }

  whenAcknowledged(more: number): Promise<unknown> {
    const before = this.surely.length;
    const what = `${more} more acknowledged`;
    return waitFor(() => this.surely.length >= before + more, { what, timeoutMs: PATIENCE_MS });
  }

  whenRefused(more: number): Promise<unknown> {
    const before = this.#refused;
    const what = `${more} more refused`;
    return waitFor(() => this.#refused >= before + more, { what, timeoutMs: PATIENCE_MS });
  }

  async end(): Promise<void> {
    this.#end.abort();
    await this.#sending;
  }

  async #send(c: string): Promise<void> {
    const open: Promise<void>[] = [];
    for (let number = 0; !this.#end.signal.aborted; number++) {
      const answer = this.#client.request({ t: "pub", c, body: String(number) });
      open.push(answer.then((frame) => this.#take(String(number), frame)));
      await delay(systemClock, 50);
    }
    await Promise.all(open);
  }

  #take(number: string, frame: DownJson): void {
    if (frame.t === "pubd") this.surely.push(number);
    else this.#refused += 1;
    if (frame.unknown === true) this.perhaps.add(number);
  }
}
