import { type Clock, assert, must, systemClock } from "@millrace/runtime";
import { type EpochId, RECORD_BYTES_MAX } from "@millrace/schemas";
import type {
  BoundsOutcome,
  Epoch,
  LogRecord,
  OffsetOutcome,
  ReadOutcome,
  ReadRequest,
  SettledOutcome,
  Unavailable,
} from "../port.ts";
import { MemoryPartition, type UnplacedRecord, recordBytes } from "./memory-partition.ts";
import { Signal } from "./signal.ts";

/** A record of a producer that is not ours. */
export type ForeignRecord = Pick<LogRecord, "key" | "value"> & Partial<Pick<LogRecord, "headers">>;

/** What befalls one attempt to append to a partition. */
export type WriteFault =
  /** Nothing of it is appended, and every record of it has that outcome. */
  | { readonly kind: "outcome"; readonly outcome: SettledOutcome }
  /** It comes to the log only then. */
  | { readonly kind: "hold-request"; readonly until: Promise<void> }
  /** It is appended at once; its answer comes only then. */
  | { readonly kind: "hold-answer"; readonly until: Promise<void> };

interface PartitionState {
  store: MemoryPartition;
  readonly changed: Signal;
  readonly faults: WriteFault[];
  isAvailable: boolean;
  /** Where a leader that is behind says that the log ends. */
  pretendedEnd: bigint | undefined;
}

/** What of the bound of a record its batch takes. */
const BATCH_OVERHEAD_BYTES = 512;

/**
 * The broker's side of a log in memory: one topic, which several logs may share as edges share a
 * cluster. Everything is decided in one synchronous step. The controls are for what a test can't
 * wait for: retention, a lost tail, a new incarnation, writes that fail or hang.
 */
export class MemoryTopic {
  readonly #clock: Clock;
  readonly #states: PartitionState[] = [];
  #incarnation = 0;
  #epoch: Epoch;

  constructor(
    options: {
      readonly clock?: Clock;
      readonly partitions?: number;
      /** First offset of every partition of the first incarnation. */
      readonly startOffset?: bigint;
    } = {},
  ) {
    const { clock = systemClock, partitions = 1, startOffset = 0n } = options;
    this.#clock = clock;
    this.#epoch = { id: epochIdOf(0), partitions };
    this.#fill(startOffset);
  }

  get epoch(): Epoch {
    return this.#epoch;
  }

  /** Fires after every change of what a reader of the partition would be answered. */
  changed(partition: number): Signal {
    return this.#state(partition).changed;
  }

  unavailable(partition: number): Unavailable | undefined {
    if (partition >= this.#epoch.partitions) {
      return { kind: "unavailable", why: "the topic has no such partition" };
    }
    if (this.isAvailable(partition)) return undefined;
    return { kind: "unavailable", why: "the partition has no leader" };
  }

  isAvailable(partition: number): boolean {
    return this.#state(partition).isAvailable;
  }

  read({ partition, offset, epoch, bytesMax }: ReadRequest): ReadOutcome {
    if (epoch !== this.#epoch.id) return { kind: "other-epoch", epoch: this.#epoch };
    const unavailable = this.unavailable(partition);
    if (unavailable !== undefined) return unavailable;
    const state = this.#state(partition);
    const { store } = state;
    const { startOffset } = store;
    const endOffset = saidEnd(state);
    if (offset < startOffset) return { kind: "below-start", startOffset };
    if (offset > endOffset) return { kind: "beyond-end", endOffset };
    const range = store.read({ from: offset, end: endOffset, bytesMax });
    return { kind: "chunk", epoch, partition, from: offset, ...range, endOffset };
  }

  bounds(partition: number): BoundsOutcome {
    const unavailable = this.unavailable(partition);
    if (unavailable !== undefined) return unavailable;
    const state = this.#state(partition);
    const { startOffset } = state.store;
    return { kind: "bounds", epoch: this.#epoch.id, startOffset, endOffset: saidEnd(state) };
  }

  offsetAtTime(partition: number, timeMs: number): OffsetOutcome {
    const unavailable = this.unavailable(partition);
    if (unavailable !== undefined) return unavailable;
    const offset = this.#state(partition).store.offsetAtTime(timeMs);
    return { kind: "offset", epoch: this.#epoch.id, offset };
  }

  /** `epoch` is the incarnation for which the record's partition was chosen. */
  append(partition: number, record: UnplacedRecord, epoch: EpochId | undefined): SettledOutcome {
    if (isTooLarge(record)) return { kind: "refused", code: "too-large" };
    if (epoch !== this.#epoch.id || partition >= this.#epoch.partitions) {
      return { kind: "not-appended", why: "the topic is another incarnation" };
    }
    const { store, changed } = this.#state(partition);
    const { offset, timestampMs } = store.append(record, this.#timestampMs());
    changed.fire();
    return { kind: "appended", epoch, offset, timestampMs };
  }

  /** What befalls the attempt that begins now. */
  takeFault(partition: number): WriteFault | undefined {
    return this.#state(partition).faults.shift();
  }

  /** The next attempts meet these faults, one each, in this order. */
  failNext(partition: number, ...faults: readonly WriteFault[]): void {
    this.#state(partition).faults.push(...faults);
  }

  /** What stands in a partition now, whoever may read it. */
  records(partition: number): readonly LogRecord[] {
    return this.#state(partition).store.records;
  }

  /** First offset and end of a partition now, whoever may read it. */
  range(partition: number): { readonly startOffset: bigint; readonly endOffset: bigint } {
    const { startOffset, endOffset } = this.#state(partition).store;
    return { startOffset, endOffset };
  }

  /** One batch of another producer; the offset of its first record. */
  appendForeign(partition: number, records: readonly ForeignRecord[]): bigint {
    const first = this.#state(partition).store.endOffset;
    this.#change(partition, ({ store }) => {
      for (const record of records) store.append({ headers: [], ...record }, this.#timestampMs());
    });
    return first;
  }

  /** Offsets without a record: a control record, an aborted transaction, compaction. */
  appendHoles(partition: number, count: number): void {
    this.#change(partition, ({ store }) => store.appendHoles(count));
  }

  /** As retention does. */
  deleteBefore(partition: number, offset: bigint): void {
    this.#change(partition, ({ store }) => store.deleteBefore(offset));
  }

  /** As an unclean election does: the tail is lost, and its offsets will be given again. */
  truncate(partition: number, endOffset: bigint): void {
    this.#change(partition, ({ store }) => store.truncate(endOffset));
  }

  /** Whether the partition has a leader that answers; what hangs at it is answered at once. */
  setAvailable(partition: number, isAvailable: boolean): void {
    this.#change(partition, (state) => {
      state.isAvailable = isAvailable;
    });
  }

  /** A new leader that does not know the whole log yet says so; undefined: it knows it all. */
  pretendEnd(partition: number, endOffset: bigint | undefined): void {
    this.#change(partition, (state) => {
      state.pretendedEnd = endOffset;
    });
  }

  /** Deleted and made anew, empty; logs find out with their next answer, as on a cluster. */
  recreate(options: { readonly partitions?: number; readonly startOffset?: bigint } = {}): Epoch {
    const { partitions = this.#epoch.partitions, startOffset = 0n } = options;
    this.#incarnation += 1;
    this.#epoch = { id: epochIdOf(this.#incarnation), partitions };
    this.#fill(startOffset);
    for (const { changed } of this.#states) changed.fire();
    return this.#epoch;
  }

  #state(partition: number): PartitionState {
    return must(this.#states[partition], `partition ${partition}`);
  }

  #change(partition: number, change: (state: PartitionState) => void): void {
    const state = this.#state(partition);
    change(state);
    state.changed.fire();
  }

  /** Every partition of the incarnation is empty; who waits for one of the same number stays. */
  #fill(startOffset: bigint): void {
    for (let partition = 0; partition < this.#epoch.partitions; partition++) {
      const fresh = { store: new MemoryPartition(startOffset), pretendedEnd: undefined };
      const state = this.#states[partition];
      if (state !== undefined) Object.assign(state, fresh);
      else this.#states.push({ ...fresh, changed: new Signal(), faults: [], isAvailable: true });
    }
  }

  #timestampMs(): number {
    return Math.trunc(this.#clock.wallMs());
  }
}

/** The end as the partition's leader knows it: between the log's start and its true end. */
function saidEnd({ store: { startOffset, endOffset }, pretendedEnd = endOffset }: PartitionState) {
  if (pretendedEnd > endOffset) return endOffset;
  return pretendedEnd < startOffset ? startOffset : pretendedEnd;
}

/** Whether a broker would refuse every batch with that record. */
export function isTooLarge(record: UnplacedRecord): boolean {
  return recordBytes(record) + BATCH_OVERHEAD_BYTES > RECORD_BYTES_MAX;
}

/** Text as long as a topic's id has it; topics in memory are never told apart by it. */
function epochIdOf(incarnation: number): EpochId {
  assert(incarnation < 36 ** 4, "an incarnation fits the text");
  return `mem-${incarnation.toString(36).padStart(4, "0")}` as EpochId;
}
