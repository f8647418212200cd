import type { EpochId } from "@millrace/schemas";

/**
 * The port to the log: what the rest of the product knows of Kafka. Two implementations, over Kafka
 * and in memory, pass one conformance suite (`conformance.ts`). Offsets are `bigint` everywhere.
 */
export interface Log extends LogReader, LogWriter {
  /** The incarnation that was last read from the cluster; undefined before the first answer. */
  readonly epoch: Epoch | undefined;
  /** Partitions that the topic has beyond those of its epoch: keys are not spread over them. */
  readonly unusedPartitions: number;
  /** Hears each new incarnation, before anything of it is handed on. Returns its own end. */
  onEpoch(listener: (epoch: Epoch) => void): () => void;
  /** Resolves when the topic is readable (its epoch known); rejects when the signal aborts. */
  open(signal?: AbortSignal): Promise<void>;
  /** Ends: what is unsent gets `not-appended`, what is in flight is waited for up to that time. */
  close(options: { readonly settleMs: number }): Promise<void>;
}

/** One incarnation of the topic (KIP-516), and how many partitions keys are spread over in it. */
export interface Epoch {
  readonly id: EpochId;
  readonly partitions: number;
}

export interface LogReader {
  /**
   * Reads from exactly that offset on. Never rejects; what can go wrong is an outcome. With
   * `waitMs` 0 it answers at once, also with nothing; with more it is a long poll, answered as soon
   * as there is a record, at the latest after about that time.
   */
  readFrom(request: ReadRequest): Promise<ReadOutcome>;
  /** First offset and end (the next one that will be given), asked of the partition's leader now. */
  bounds(partition: number): Promise<BoundsOutcome>;
  /** First offset whose append time is at or after that time; the end where there is none. */
  offsetAtTime(partition: number, timeMs: number): Promise<OffsetOutcome>;
}

export interface ReadRequest {
  readonly partition: number;
  readonly offset: bigint;
  /** The incarnation that the offset belongs to. */
  readonly epoch: EpochId;
  readonly waitMs: number;
  /** Aim for the chunk's size; one record or batch larger than that is still returned whole. */
  readonly bytesMax: number;
}

export type ReadOutcome =
  | ({ readonly kind: "chunk" } & LogChunk)
  /** Retention has passed the offset. */
  | { readonly kind: "below-start"; readonly startOffset: bigint }
  /** The log ends before the offset, as its current leader says. An offset *at* the end is fine. */
  | { readonly kind: "beyond-end"; readonly endOffset: bigint }
  /** The topic is another incarnation now. */
  | { readonly kind: "other-epoch"; readonly epoch: Epoch }
  | Unavailable;

export type BoundsOutcome =
  | {
      readonly kind: "bounds";
      readonly epoch: EpochId;
      readonly startOffset: bigint;
      readonly endOffset: bigint;
    }
  | Unavailable;

export type OffsetOutcome =
  | { readonly kind: "offset"; readonly epoch: EpochId; readonly offset: bigint }
  | Unavailable;

/** The partition can't be reached at the moment: no leader, no broker, or no answer in time. */
export interface Unavailable {
  readonly kind: "unavailable";
  readonly why: string;
}

/**
 * The range [from, next) of one partition with every record that stands in it. Offsets without a
 * record (compaction, control records, aborted transactions) are normal; only `next` says where
 * reading goes on.
 */
export interface LogChunk {
  readonly epoch: EpochId;
  readonly partition: number;
  readonly from: bigint;
  readonly next: bigint;
  readonly records: readonly LogRecord[];
  /** Bytes of keys, values and headers, for whoever keeps the chunk. */
  readonly bytes: number;
  /** The end of the log when this was read: `next` equal to it means caught up. */
  readonly endOffset: bigint;
}

export interface LogRecord {
  readonly offset: bigint;
  /** The broker's append time, milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

export interface RecordHeader {
  readonly name: string;
  readonly value: Uint8Array;
}

export interface LogWriter {
  /**
   * Puts one record behind everything appended to that partition before. `onOutcome` is called
   * exactly once for each append, in the order of the appends of a partition, never before this
   * returns; then, only after `unknown`, `onSettled` once.
   */
  append(request: AppendRequest): void;
}

export interface AppendRequest {
  readonly partition: number;
  readonly key: Uint8Array;
  /** Null is a tombstone: compaction takes away what stands under the key, and then itself. */
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  /** On the monotonic clock; a record that has not been sent by then gets `not-appended`. */
  readonly deadlineMs: number;
  /**
   * Asked once more when the record is about to go into a batch, with everything before it in the
   * partition settled or in the same batch: false leaves it out, with the outcome `withdrawn`.
   */
  readonly isStillWanted?: () => boolean;
  readonly onOutcome: (outcome: AppendOutcome) => void;
  readonly onSettled?: (outcome: SettledOutcome) => void;
}

export type AppendOutcome =
  | SettledOutcome
  /** It may or may not be in the log: the deadline passed while an attempt was unsettled. */
  | { readonly kind: "unknown" };

export type SettledOutcome =
  | {
      readonly kind: "appended";
      readonly epoch: EpochId;
      readonly offset: bigint;
      readonly timestampMs: number;
    }
  /** Surely not in the log, and never will be: the broker does not take such a record. */
  | { readonly kind: "refused"; readonly code: "too-large" | "invalid" | "not-authorized" }
  /** Surely not in the log; it may be tried again. */
  | { readonly kind: "not-appended"; readonly why: string }
  /** `isStillWanted` said no. */
  | { readonly kind: "withdrawn" };
