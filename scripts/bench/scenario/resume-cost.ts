import { connect } from "@millrace/client/node";
import { type Log, createKafkaLog } from "@millrace/log";
import { must, silentLogger, systemClock } from "@millrace/runtime";
import { partitionOf } from "@millrace/schemas";
import { encodeMessage, newMessageId } from "@millrace/schemas/record";
import { waitFor } from "@millrace/testkit";
import { signToken } from "../../token.mjs";
import { bodyText } from "../load/stamped-frame.ts";
import type { BenchStage } from "../stage/bench-stage.ts";
import type { Bench, Scenario, ScenarioResult } from "./measured.ts";

/** How many messages one conversation has missed; each partition has one conversation of one depth. */
const DEPTHS = [10, 400, 10_000];
/** What was written in the partition meanwhile, by others. */
const RECORDS = 50_000;
const QUICK_RECORDS = 20_000;
const STARTS = 3;
const BLOCK_OFFSETS = 8_192;
const IN_FLIGHT_MAX = 8_192;
const DEADLINE_MS = 60_000;
const PATIENCE_MS = 120_000;

interface Missed {
  readonly conversation: string;
  readonly depth: number;
  /** Before its first message. */
  readonly after: string;
}

/**
 * What a resume costs by what was missed, with the index and without it: an edge that has just been
 * started, and so has nothing in memory, is asked by one client after the other, each for a partition
 * that nobody has asked for before. Without: its Redis is empty.
 */
export const resumeCost: Scenario = async (bench, variant): Promise<ScenarioResult> => {
  const { stage, isQuick } = bench;
  const first = await stage.edge(variant.env);
  const { topic } = first;
  const log = createKafkaLog({
    brokers: stage.brokers,
    topic,
    clientId: "fill",
    logger: silentLogger,
  });
  const more: Record<string, number> = {};
  try {
    await log.open();
    const all = await fill(log, isQuick ? QUICK_RECORDS : RECORDS);
    await whenIndexed(stage, all, isQuick ? QUICK_RECORDS : RECORDS);
    await first.kill();
    for (const name of ["with", "without"] as const) {
      const times = await timesOf(bench, { all, topic, env: variant.env, name });
      for (const depth of DEPTHS) {
        const sorted = must(times.get(depth), "a depth").toSorted((one, other) => one - other);
        const label = `ms for ${depth} missed ${name} the index`;
        more[`p50 ${label}`] = must(sorted[Math.floor(sorted.length / 2)], "a time");
        more[`slowest ${label}`] = must(sorted.at(-1), "a time");
      }
    }
  } finally {
    await first.kill();
    await log.close({ settleMs: 0 });
  }
  return { scenario: "resume-cost", variant: variant.name, more, notes: [] };
};

async function timesOf(
  bench: Bench,
  wish: {
    readonly all: readonly Missed[];
    readonly topic: string;
    readonly env: Readonly<Record<string, string>>;
    readonly name: "with" | "without";
  },
): Promise<Map<number, number[]>> {
  const { stage } = bench;
  const times = new Map(DEPTHS.map((depth): [number, number[]] => [depth, []]));
  for (let start = 0; start < STARTS; start++) {
    // What a scan has read is there for the next one.
    if (wish.name === "without") await stage.flushRedis();
    const served = await stage.edge({ ...wish.env, EDGE_TOPIC: wish.topic });
    const client = connect({
      url: `ws://127.0.0.1:${served.port}/v1/connect`,
      token: () => tokenOf(stage),
    });
    await waitFor(() => client.state.kind === "ready", { what: "a connection" });
    for (const missed of wish.all) {
      times.get(missed.depth)?.push(await timeOf(client, missed));
    }
    client.close();
    await served.kill();
  }
  return times;
}

function timeOf(client: ReturnType<typeof connect>, missed: Missed): Promise<number> {
  const { conversation, depth, after } = missed;
  const beganMs = performance.now();
  return new Promise((resolve) => {
    let received = 0;
    client.subscribe(conversation, {
      from: { after },
      onMessage: () => {
        received++;
        if (received === depth) resolve(performance.now() - beganMs);
      },
    });
  });
}

/** In each partition the messages of one conversation, evenly among those of twenty others. */
async function fill(log: Log, records: number): Promise<Missed[]> {
  const { id, partitions } = must(log.epoch, "an open log");
  const all: Missed[] = [];
  const writing = new BoundedAppends(log);
  for (let partition = 0; partition < partitions; partition++) {
    const names = namesIn(partition, partitions);
    const conversation = must(names.pop(), "a name");
    const depth = must(DEPTHS[partition % DEPTHS.length], "a depth");
    all.push({ conversation, depth, after: `${id}.${partition}.0` });
    const every = Math.floor(records / depth);
    for (let index = 0; index < records; index++) {
      const isOwn = index % every === 0 && index / every < depth;
      const name = isOwn ? conversation : must(names[index % names.length], "a name");
      await writing.append(partition, name);
    }
  }
  await writing.settled();
  return all;
}

function namesIn(partition: number, partitions: number): string[] {
  const names = Array.from({ length: partitions * 60 }, (_, index) => `room:cost-${index}`);
  return names
    .filter((name) => partitionOf(Buffer.from(name), partitions) === partition)
    .slice(0, 21);
}

class BoundedAppends {
  readonly #log: Log;
  readonly #values = new Map<string, Uint8Array>();
  #inFlight = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  async append(partition: number, name: string): Promise<void> {
    if (this.#inFlight >= IN_FLIGHT_MAX) await this.#below(IN_FLIGHT_MAX / 2);
    this.#inFlight++;
    this.#log.append({
      partition,
      key: Buffer.from(name),
      value: this.#value(name),
      headers: [],
      deadlineMs: systemClock.nowMs() + DEADLINE_MS,
      onOutcome: ({ kind }) => {
        if (kind !== "appended") throw new Error(`the filling was ${kind}`);
        this.#inFlight--;
      },
    });
  }

  settled(): Promise<unknown> {
    return this.#below(1);
  }

  #below(most: number): Promise<unknown> {
    const what = "what is written is in the log";
    return waitFor(() => this.#inFlight < most, { what, timeoutMs: PATIENCE_MS });
  }

  #value(conversation: string): Uint8Array {
    let value = this.#values.get(conversation);
    if (value === undefined) this.#values.set(conversation, (value = valueOf(conversation)));
    return value;
  }
}

function valueOf(conversation: string): Uint8Array {
  return encodeMessage({
    id: newMessageId(Date.now()),
    conversation,
    sender: "bench",
    recipient: null,
    group: conversation,
    key: null,
    contentType: "application/json",
    content: bodyText(),
    meta: {},
    ref: null,
    op: null,
    sentAt: BigInt(Date.now()),
  });
}

/** Every whole block of every partition is in Redis. */
async function whenIndexed(
  stage: BenchStage,
  all: readonly Missed[],
  records: number,
): Promise<void> {
  const last = Math.floor(records / BLOCK_OFFSETS) - 1;
  for (const { after } of all) {
    const [epoch, partition] = after.split(".");
    const key = `mr:block:{${epoch}.${partition}}:${last}`;
    const isThere = async (): Promise<boolean> =>
      (await stage.redis("EXISTS", key)).startsWith(":1");
    await waitFor(isThere, { what: key, timeoutMs: PATIENCE_MS });
  }
}

function tokenOf(stage: BenchStage): string {
  const { issuerFolder } = stage;
  return signToken({ user: "cost", read: ["*"], write: ["*"], ttlS: 3_600, issuerFolder });
}
