import { type Clock, assert, must } from "@millrace/runtime";
import type { AppendRequest, Epoch, SettledOutcome } from "../../port.ts";
import { bytesOf } from "../../record-bytes.ts";
import { type BatchIdentity, encodeBatch } from "../protocol/encode-batch.ts";
import type { ProducedPartition } from "../protocol/produce.ts";
import { type Entry, Tellings } from "./entry.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** What a lane needs before its first batch, and anew after its producer was forgotten. */
export interface LaneIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** What the writer does with a lane next. */
export type NextStep = "go-on" | "retry" | "settle";

export type Found = ReadonlyMap<string, { readonly offset: bigint; readonly timestampMs: number }>;

interface LaneBatch {
  readonly entries: readonly Entry[];
  readonly bytes: Buffer;
  /** An attempt may have been appended: from now on only an answer or the log itself settles it. */
  isUnsure: boolean;
}

const BATCH_BYTES_MAX = 524_288;
const BATCH_RECORDS_MAX = 1_000;
const QUEUE_BYTES_MAX = 8_388_608;
const RECORD_OVERHEAD_BYTES = 32;
const SEQUENCE_MASK = 0x7fffffff;

const TOO_LATE = { kind: "not-appended", why: "the deadline passed before it was sent" } as const;

/**
 * The appends of one partition of one incarnation, one batch on its way.
 *
 * Invariants. (1) A batch is sent again as the very same bytes, with the same producer and
 * sequence, until it is settled; nothing behind it is sent before. (2) "Not appended" is said only
 * of what no attempt can have brought into the log. (3) Outcomes are told in the order of the
 * appends. (4) `isStillWanted` is asked when everything before the record was told its outcome or
 * is in the same batch: a record that is left out ends the batch before it.
 *
 * What could break them: an answer that comes after a cut (the channel was dropped, so it can't),
 * a leader that answers "not the leader" after it has appended (taken as unsure), a broker that
 * has forgotten the producer (settled by reading the log), an oversized record among others (the
 * batch is split, and its rest asked again).
 */
export class Lane {
  readonly partition: number;
  readonly epoch: Epoch;
  readonly #clock: Clock;
  readonly #tellings: Tellings;
  #queue: Entry[] = [];
  #queuedBytes = 0;
  #batch: LaneBatch | undefined;
  #identity: LaneIdentity | undefined;
  #sequence = 0;
  #settledEnd: bigint | undefined;
  /** Beyond it the next batch does not go: the offender of a split batch stands right behind. */
  #recordsMax = BATCH_RECORDS_MAX;
  #failures = 0;
  /** The writer's: something is under way for this lane. */
  isBusy = false;

  constructor(partition: number, epoch: Epoch, clock: Clock) {
    this.partition = partition;
    this.epoch = epoch;
    this.#clock = clock;
    this.#tellings = new Tellings(clock, (due) => this.#onDue(due));
  }

  get hasWork(): boolean {
    return this.#batch !== undefined || this.#queue.length > 0;
  }

  get isSettled(): boolean {
    return this.#batch === undefined;
  }

  get isPrepared(): boolean {
    return this.#identity !== undefined && this.#settledEnd !== undefined;
  }

  /** Its failures must not hold up the other partitions of its leader. */
  get isTroubled(): boolean {
    return this.#failures > 0;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Where reading back begins: all that was settled stands before it. */
  get settledEnd(): bigint {
    return must(this.#settledEnd, "a prepared lane");
  }

  append(request: AppendRequest, mark: string): void {
    const headers = [...request.headers, { name: "edge", value: Buffer.from(mark) }];
    const { key, value } = request;
    const record = { key, value, headers };
    const bytes = bytesOf(record) + RECORD_OVERHEAD_BYTES;
    const state = "queued" as const;
    const entry: Entry = {
      request,
      record,
      mark,
      bytes,
      state,
      outcome: undefined,
      isToldUnknown: false,
    };
    this.#tellings.add(entry);
    if (this.#queuedBytes + bytes > QUEUE_BYTES_MAX) {
      this.#tellings.settle(entry, { kind: "not-appended", why: "the queue is full" });
      // Never before `append` has returned.
      this.#clock.endOfTurn(() => this.#tellings.tell());
      return;
    }
    this.#queuedBytes += bytes;
    this.#queue.push(entry);
  }

  prepared(identity: LaneIdentity, endOffset: bigint): void {
    this.#identity = identity;
    this.#sequence = 0;
    this.#settledEnd ??= endOffset;
  }

  /** The bytes to send: those of the batch on its way, or of a new one; undefined when empty. */
  batchToSend(): Buffer | undefined {
    this.#batch ??= this.#collect();
    return this.#batch?.bytes;
  }

  took(produced: ProducedPartition): NextStep {
    const batch = must(this.#batch, "an answer to a batch");
    const verdict = verdictOf(produced.errorCode, batch.isUnsure);
    if (verdict.kind === "appended") return this.#appended(batch, produced);
    return this.#judged(batch, verdict);
  }

  /** No answer came; `isSent` false where the request has surely not left this process. */
  failed(isSent: boolean): NextStep {
    const batch = must(this.#batch, "a batch that was sent");
    return this.#judged(batch, { kind: isSent || batch.isUnsure ? "unsure" : "untouched" });
  }

  /** What was found in the log of the unsettled batch; nothing will be added to it any more. */
  settled(found: Found): void {
    const batch = must(this.#batch, "a batch to settle");
    this.#batch = undefined;
    this.#identity = undefined;
    const back: Entry[] = [];
    for (const entry of batch.entries) {
      const place = found.get(entry.mark);
      if (place !== undefined) {
        this.#settledEnd = place.offset + 1n;
        this.#settle(entry, { kind: "appended", epoch: this.epoch.id, ...place });
      } else if (entry.state === "overdue") this.#settle(entry, TOO_LATE);
      else back.push(entry);
    }
    this.#requeue(back);
    this.#tellings.tell();
  }

  /** Nothing more of it is sent; `alsoSent`: nor can what was sent be in the log. */
  end(why: string, { alsoSent }: { readonly alsoSent: boolean }): void {
    const sent = alsoSent ? (this.#batch?.entries ?? []) : [];
    if (alsoSent) this.#batch = undefined;
    for (const entry of [...sent, ...this.#queue])
      this.#settle(entry, { kind: "not-appended", why });
    this.#queue = [];
    this.#tellings.tell();
  }

  /** Nobody waits any longer for what is unsettled. */
  giveUp(): void {
    for (const entry of this.#batch?.entries ?? []) {
      if (entry.state === "sent") entry.state = "overdue";
    }
    this.#tellings.tell();
  }

  #collect(): LaneBatch | undefined {
    const identity = must(this.#identity, "a prepared lane");
    const entries: Entry[] = [];
    let bytes = 0;
    while (entries.length < this.#recordsMax) {
      const entry = this.#queue[0];
      if (entry === undefined || (entries.length > 0 && bytes + entry.bytes > BATCH_BYTES_MAX))
        break;
      const leftOut = this.#whyLeftOut(entry);
      if (leftOut !== undefined && entries.length > 0) break;
      this.#queue.shift();
      if (leftOut === undefined) {
        entries.push(entry);
        bytes += entry.bytes;
      } else {
        this.#settle(entry, leftOut);
        this.#tellings.tell();
      }
    }
    if (entries.length === 0) return undefined;
    for (const entry of entries) entry.state = "sent";
    return { entries, bytes: this.#encode(entries, identity), isUnsure: false };
  }

  #encode(entries: readonly Entry[], identity: LaneIdentity): Buffer {
    const stamped: BatchIdentity = { ...identity, baseSequence: this.#sequence };
    const records = entries.map(({ record }) => record);
    return encodeBatch(records, stamped, this.#clock.wallMs());
  }

  #whyLeftOut({ request }: Entry): SettledOutcome | undefined {
    if (this.#clock.nowMs() >= request.deadlineMs) return TOO_LATE;
    return request.isStillWanted?.() === false ? { kind: "withdrawn" } : undefined;
  }

  #appended(batch: LaneBatch, { baseOffset, appendTimeMs }: ProducedPartition): NextStep {
    this.#failures = 0;
    const count = batch.entries.length;
    this.#sequence = (this.#sequence + count) & SEQUENCE_MASK;
    this.#settledEnd = baseOffset + BigInt(count);
    if (count === 1 || this.#recordsMax > count) this.#recordsMax = BATCH_RECORDS_MAX;
    this.#batch = undefined;
    const timestampMs = appendTimeMs < 0 ? this.#clock.wallMs() : appendTimeMs;
    const { id: epoch } = this.epoch;
    for (const [index, entry] of batch.entries.entries()) {
      const offset = baseOffset + BigInt(index);
      this.#settle(entry, { kind: "appended", epoch, offset, timestampMs });
    }
    this.#tellings.tell();
    return "go-on";
  }

  #judged(batch: LaneBatch, verdict: Exclude<Verdict, { kind: "appended" }>): NextStep {
    switch (verdict.kind) {
      case "unsure":
        batch.isUnsure = true;
        this.#failures++;
        return "retry";
      case "forgotten":
        this.#failures++;
        return "settle";
      case "stranger":
        // Nothing of it is in the log: another producer id, and the same records.
        this.#identity = undefined;
        this.#dissolve(batch);
        return "retry";
      case "untouched":
        this.#dissolve(batch);
        return "retry";
      case "refused":
        return this.#refused(batch, verdict.outcome);
    }
  }

  /** One of the records was not taken, so none was: halves find out which. */
  #refused(batch: LaneBatch, outcome: SettledOutcome): NextStep {
    this.#batch = undefined;
    const { entries } = batch;
    const [only] = entries;
    assert(only !== undefined, "a batch has records");
    if (entries.length === 1) {
      this.#settle(only, outcome);
      this.#recordsMax = BATCH_RECORDS_MAX;
      this.#tellings.tell();
      return "go-on";
    }
    this.#recordsMax = Math.ceil(entries.length / 2);
    this.#requeue(entries);
    return "go-on";
  }

  #dissolve(batch: LaneBatch): void {
    this.#batch = undefined;
    this.#failures++;
    this.#requeue(batch.entries);
  }

  #requeue(entries: readonly Entry[]): void {
    for (const entry of entries) entry.state = "queued";
    this.#queue = [...entries, ...this.#queue];
  }

  /**
   * From the head of the queue only: one that is late behind others is left out when its turn
   * comes, so that nobody behind it is asked whether it is wanted before it was told.
   */
  #onDue(due: readonly Entry[]): void {
    for (const entry of due) {
      if (entry.state === "sent") entry.state = "overdue";
    }
    const nowMs = this.#clock.nowMs();
    for (;;) {
      const head = this.#queue[0];
      if (head === undefined || head.request.deadlineMs > nowMs) break;
      this.#queue.shift();
      this.#settle(head, TOO_LATE);
    }
    this.#tellings.tell();
  }

  #settle(entry: Entry, outcome: SettledOutcome): void {
    this.#queuedBytes -= entry.bytes;
    this.#tellings.settle(entry, outcome);
  }
}
