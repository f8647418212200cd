import { type Clock, assert, delay } from "@millrace/runtime";
import type { AppendRequest, Epoch, LogReader, LogWriter } from "../../port.ts";
import { NotSentError } from "../channel.ts";
import type { KafkaLink } from "../link.ts";
import { KAFKA_ERRORS } from "../protocol/error-codes.ts";
import { initProducerIdRequest } from "../protocol/init-producer-id.ts";
import { type ProducedPartition, produceRequest } from "../protocol/produce.ts";
import { API_KEYS } from "../protocol/wire-request.ts";
import { Lane, type LaneIdentity, type NextStep } from "./lane.ts";
import { readBack } from "./read-back.ts";

export interface KafkaWriterOptions {
  readonly link: KafkaLink;
  readonly reader: LogReader;
  /** Name of this process and of this life of it: `<edge id>/<incarnation>`. */
  readonly origin: string;
  readonly random: () => number;
}

const BROKER_TIMEOUT_MS = 3_000;
const ANSWER_TIMEOUT_MS = 5_000;
const CONTROL_TIMEOUT_MS = 3_000;
const REQUEST_BYTES_MAX = 4_194_304;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;

/** What a cut connection still carried is appended, or never will be, by then. */
const SETTLE_PAUSE_MS = 500;

/**
 * Appends with acks=all, a producer id and a sequence of its own for each partition (KIP-98).
 *
 * The batches of all healthy partitions of one leader travel in one request, one at a time: what
 * is appended meanwhile is the next batch, so batches grow with the load by themselves. A partition
 * in trouble is sent alone, on a connection beside, until it has recovered.
 */
export class KafkaWriter implements LogWriter {
  readonly #options: KafkaWriterOptions;
  readonly #link: KafkaLink;
  readonly #clock: Clock;
  readonly #lanes = new Map<number, Lane>();
  readonly #busyLeaders = new Set<number>();
  #isScheduled = false;
  /** A lane has work that its leader, or the request's size, has kept back. */
  #isHeldUp = false;
  #isClosed = false;
  #appended = 0;

  constructor(options: KafkaWriterOptions) {
    this.#options = options;
    this.#link = options.link;
    this.#clock = options.link.clock;
    this.#link.onEpoch(() => this.#onEpoch());
  }

  append(request: AppendRequest): void {
    const { epoch } = this.#link;
    assert(epoch !== undefined, "the log is open");
    assert(request.partition < epoch.partitions, "a partition of the epoch");
    const lane = this.#lane(request.partition, epoch);
    lane.append(request, `${this.#options.origin}/${this.#appended++}`);
    this.#schedule();
  }

  async close(settleMs: number): Promise<void> {
    this.#isClosed = true;
    const lanes = [...this.#lanes.values()];
    for (const lane of lanes) lane.end(CLOSED, { alsoSent: false });
    const deadlineMs = this.#clock.nowMs() + settleMs;
    while (lanes.some((lane) => !lane.isSettled) && this.#clock.nowMs() < deadlineMs) {
      await delay(this.#clock, Math.min(10, settleMs));
    }
    for (const lane of lanes) lane.giveUp();
  }

  #lane(partition: number, epoch: Epoch): Lane {
    let lane = this.#lanes.get(partition);
    if (lane === undefined) {
      lane = new Lane(partition, epoch, this.#clock);
      this.#lanes.set(partition, lane);
    }
    return lane;
  }

  /** What was sent to the old incarnation went with it, and partitions are other ones now. */
  #onEpoch(): void {
    const lanes = [...this.#lanes.values()];
    this.#lanes.clear();
    for (const lane of lanes) lane.end("the topic was made anew", { alsoSent: true });
  }

  #isCurrent(lane: Lane): boolean {
    return this.#lanes.get(lane.partition) === lane;
  }

  /** At the end of the turn, so that what is appended in one turn is one batch. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.endOfTurn(() => {
      this.#isScheduled = false;
      this.#sendAll();
    });
  }

  #sendAll(): void {
    this.#isHeldUp = false;
    const healthy = new Map<number, Lane[]>();
    for (const lane of this.#lanes.values()) {
      if (lane.isBusy || !lane.hasWork) continue;
      if (this.#isClosed) {
        // Nothing is sent for the first time, but what was sent is still settled.
        lane.end(CLOSED, { alsoSent: false });
        if (lane.isSettled) continue;
      }
      const leader = this.#link.leaderOf(lane.partition);
      if (!lane.isPrepared) void this.#prepare(lane);
      else if (leader === undefined) void this.#pause(lane);
      else if (lane.isTroubled) void this.#send(leader, [lane], "write-troubled");
      else if (this.#busyLeaders.has(leader)) this.#isHeldUp = true;
      else {
        const lanes = healthy.get(leader) ?? [];
        lanes.push(lane);
        healthy.set(leader, lanes);
      }
    }
    for (const [leader, lanes] of healthy) void this.#sendTogether(leader, lanes);
  }

  async #sendTogether(leader: number, lanes: readonly Lane[]): Promise<void> {
    this.#busyLeaders.add(leader);
    await this.#send(leader, lanes, "write");
    this.#busyLeaders.delete(leader);
    if (this.#isHeldUp) this.#schedule();
  }

  async #send(
    leader: number,
    lanes: readonly Lane[],
    purpose: "write" | "write-troubled",
  ): Promise<void> {
    const sent = new Map<number, { readonly lane: Lane; readonly bytes: Buffer }>();
    let size = 0;
    for (const lane of lanes) {
      if (size >= REQUEST_BYTES_MAX) {
        this.#isHeldUp = true;
        break;
      }
      const bytes = lane.batchToSend();
      if (bytes === undefined) continue;
      lane.isBusy = true;
      size += bytes.length;
      sent.set(lane.partition, { lane, bytes });
    }
    if (sent.size === 0) return;
    const batches = [...sent].map(([partition, { bytes }]) => ({ partition, bytes }));
    const answer = await this.#produce(leader, batches, purpose);
    for (const produced of answer.partitions) {
      const lane = sent.get(produced.partition)?.lane;
      sent.delete(produced.partition);
      if (lane !== undefined) this.#goOn(lane, () => lane.took(produced));
    }
    // Those that the broker has left out, or all where there was no answer.
    for (const { lane } of sent.values()) this.#goOn(lane, () => lane.failed(answer.isSent));
  }

  async #produce(
    leader: number,
    batches: readonly { readonly partition: number; readonly bytes: Buffer }[],
    purpose: "write" | "write-troubled",
  ): Promise<{ readonly partitions: readonly ProducedPartition[]; readonly isSent: boolean }> {
    const { topic, topicId } = this.#link;
    assert(topicId !== undefined, "the log is open");
    const query = { topic, topicId, timeoutMs: BROKER_TIMEOUT_MS, batches };
    try {
      const partitions = await this.#link
        .channel(leader, purpose)
        .send(
          (versions) => produceRequest(query, versions.get(API_KEYS.PRODUCE) ?? 0),
          ANSWER_TIMEOUT_MS,
        );
      return { partitions, isSent: true };
    } catch (cause) {
      this.#link.logger.debug({ err: cause, broker: leader }, "a batch was not answered");
      return { partitions: [], isSent: !(cause instanceof NotSentError) };
    }
  }

  #goOn(lane: Lane, judge: () => NextStep): void {
    lane.isBusy = false;
    // Its records were told that they went with the old incarnation.
    if (!this.#isCurrent(lane)) return;
    const step = judge();
    if (step === "settle") void this.#settle(lane);
    else if (step === "retry") void this.#pause(lane);
    else if (lane.hasWork) this.#schedule();
  }

  async #pause(lane: Lane): Promise<void> {
    lane.isBusy = true;
    const refreshed = this.#link.refresh();
    const backoffMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.max(0, lane.failures - 1));
    await delay(this.#clock, backoffMs * (0.5 + this.#options.random() / 2));
    await refreshed;
    lane.isBusy = false;
    this.#schedule();
  }

  async #prepare(lane: Lane): Promise<void> {
    lane.isBusy = true;
    try {
      const identity = await this.#newIdentity();
      const bounds = await this.#options.reader.bounds(lane.partition);
      if (bounds.kind === "unavailable") throw new Error(bounds.why);
      if (bounds.epoch === lane.epoch.id) lane.prepared(identity, bounds.endOffset);
    } catch (cause) {
      this.#link.logger.debug({ err: cause, partition: lane.partition }, "not writable yet");
      await this.#pause(lane);
    }
    lane.isBusy = false;
    this.#schedule();
  }

  async #newIdentity(): Promise<LaneIdentity> {
    const node = this.#link.anyNode();
    if (node === undefined) throw new NotSentError("no broker is known");
    const channel = this.#link.channel(node, "control");
    const { errorCode, ...identity } = await channel.send(
      initProducerIdRequest(),
      CONTROL_TIMEOUT_MS,
    );
    if (errorCode !== KAFKA_ERRORS.NONE) throw new Error(`no producer id: error ${errorCode}`);
    return identity;
  }

  async #settle(lane: Lane): Promise<void> {
    lane.isBusy = true;
    const fields = { partition: lane.partition };
    this.#link.logger.warn(fields, "the broker has forgotten a producer; the log is read back");
    for (;;) {
      await delay(this.#clock, SETTLE_PAUSE_MS);
      if (!this.#isCurrent(lane) || this.#link.isClosed) return;
      const found = await readBack(this.#options.reader, lane);
      if (!this.#isCurrent(lane)) return;
      if (found !== undefined) {
        lane.settled(found);
        break;
      }
    }
    lane.isBusy = false;
    this.#schedule();
  }
}

const CLOSED = "the log was closed";
