import { type Epoch, type Log, createKafkaLog, ensureTopic } from "@millrace/log";
import { silentLogger, systemClock, seededRandom } from "@millrace/runtime";
import { partitionOf } from "@millrace/schemas";
import { encodeMessage, newMessageId } from "@millrace/schemas/record";
import { Arrivals } from "../load/arrivals.ts";
import { Histogram } from "../load/histogram.ts";
import { nowUs } from "../load/monotonic.ts";
import { bodyText, conversationName } from "../load/stamped-frame.ts";

/** What the floor of the log is asked to do; one JSON argument of its process. */
export interface LogFloorPlan {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly conversations: number;
  readonly perS: number;
  readonly warmUpS: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface LogFloorResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly cpuUsPerRecord: number;
  readonly saturatedPerS: number;
  readonly saturatedCpu: number;
  readonly saturatedUsPerRecord: number;
}

/** Of the saturated part: enough for full batches of every partition, and bounded. */
const IN_FLIGHT_MAX = 8_192;
const DEADLINE_MS = 30_000;
const LONG_POLL_MS = 5_000;
const READ_BYTES = 1_048_576;
const STAMP = "at";

/**
 * Writes records and reads them back through `packages/log`, as the edge does, and does nothing
 * else: what is left of the edge's latency and cost beyond this is its own.
 */
class LogFloor {
  readonly #log: Log;
  readonly #epoch: Epoch;
  readonly #keys: { readonly key: Buffer; readonly partition: number }[];
  readonly #value = encodeMessage({
    id: newMessageId(Date.now()),
    conversation: conversationName(0),
    sender: "bench-0",
    recipient: null,
    group: conversationName(0),
    key: "0".repeat(28),
    contentType: "text/plain",
    content: bodyText(),
    meta: {},
    ref: null,
    op: null,
    sentAt: BigInt(Date.now()),
  });
  readonly #latency = new Histogram();
  readonly #acknowledgement = new Histogram();
  readonly #random: () => number;
  #appended = 0;
  #inFlight = 0;
  #isSaturating = false;

  constructor(log: Log, epoch: Epoch, plan: LogFloorPlan) {
    this.#log = log;
    this.#epoch = epoch;
    this.#random = seededRandom(plan.seed);
    this.#keys = Array.from({ length: plan.conversations }, (_, index) => {
      const key = Buffer.from(conversationName(index));
      return { key, partition: partitionOf(key, epoch.partitions) };
    });
    for (let partition = 0; partition < epoch.partitions; partition++) void this.#tail(partition);
  }

  async openLoop({ perS, warmUpS, seconds }: LogFloorPlan) {
    const arrivals = new Arrivals({ perS, startUs: nowUs(), random: this.#random });
    await this.#send(arrivals, warmUpS);
    this.#latency.take();
    this.#acknowledgement.take();
    this.#appended = 0;
    const cpu = process.cpuUsage();
    await this.#send(arrivals, seconds);
    return {
      p50Ms: this.#latency.quantile(0.5) / 1_000,
      p99Ms: this.#latency.quantile(0.99) / 1_000,
      ackP50Ms: this.#acknowledgement.quantile(0.5) / 1_000,
      ackP99Ms: this.#acknowledgement.quantile(0.99) / 1_000,
      cpuUsPerRecord: cpuUs(cpu) / this.#appended,
    };
  }

  async saturate({ warmUpS, seconds }: LogFloorPlan) {
    this.#isSaturating = true;
    while (this.#inFlight < IN_FLIGHT_MAX) this.#append(nowUs());
    await sleepS(warmUpS);
    this.#appended = 0;
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    await sleepS(seconds);
    const elapsedS = (performance.now() - startMs) / 1_000;
    const usedUs = cpuUs(cpu);
    this.#isSaturating = false;
    return {
      saturatedPerS: this.#appended / elapsedS,
      saturatedCpu: usedUs / 1e6 / elapsedS,
      saturatedUsPerRecord: usedUs / this.#appended,
    };
  }

  async #send(arrivals: Arrivals, seconds: number): Promise<void> {
    const endUs = nowUs() + seconds * 1e6;
    while (nowUs() < endUs) {
      const atUs = nowUs();
      for (let due = arrivals.due(atUs); due !== undefined; due = arrivals.due(atUs)) {
        this.#append(due);
      }
      await sleepS(0.001);
    }
  }

  #append(intendedUs: number): void {
    const place = this.#keys[Math.floor(this.#random() * this.#keys.length)];
    if (place === undefined) return;
    this.#inFlight++;
    this.#log.append({
      ...place,
      value: this.#value,
      headers: [{ name: STAMP, value: Buffer.from(String(intendedUs)) }],
      deadlineMs: systemClock.nowMs() + DEADLINE_MS,
      onOutcome: ({ kind }) => {
        this.#inFlight--;
        if (kind !== "appended") throw new Error(`a record was ${kind}`);
        this.#appended++;
        this.#acknowledgement.record(nowUs() - intendedUs);
        if (this.#isSaturating) this.#append(nowUs());
      },
    });
  }

  async #tail(partition: number): Promise<void> {
    const { id: epoch } = this.#epoch;
    const read = { partition, epoch, waitMs: LONG_POLL_MS, bytesMax: READ_BYTES };
    let offset = 0n;
    for (;;) {
      const outcome = await this.#log.readFrom({ ...read, offset });
      const atUs = nowUs();
      if (outcome.kind !== "chunk") throw new Error(`a read was ${outcome.kind}`);
      offset = outcome.next;
      for (const { headers } of outcome.records) {
        const stamp = headers.find(({ name }) => name === STAMP);
        if (stamp !== undefined) this.#latency.record(atUs - Number(Buffer.from(stamp.value)));
      }
    }
  }
}

function cpuUs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function sleepS(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}

const plan = JSON.parse(process.argv[2] ?? "") as LogFloorPlan;
const { brokers, topic } = plan;
await ensureTopic({ brokers, topic, isDevelopment: true, logger: silentLogger });
const log = createKafkaLog({ brokers, topic, clientId: "floor", logger: silentLogger });
await log.open();
if (log.epoch === undefined) throw new Error("an open log knows its epoch");
const floor = new LogFloor(log, log.epoch, plan);
const steady = await floor.openLoop(plan);
const saturated = await floor.saturate(plan);
const result: LogFloorResult = { ...steady, ...saturated };
process.send?.(result, () => process.exit(0));
