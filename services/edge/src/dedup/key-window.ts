import type { EpochId } from "@millrace/schemas";
import { OffsetTable } from "./offset-table.ts";

/** A record whose publish had a key. */
export interface KeyedRecord {
  readonly hash: number;
  readonly offset: bigint;
  /** The broker's append time. */
  readonly timestampMs: number;
}

export interface KeyWindowOptions {
  /** How far back it has to know. */
  readonly dedupMs: number;
  /** Keys over all partitions; beyond it the oldest slice goes, and with it some of the reach. */
  readonly keysMax: number;
}

/** The window loses its oldest keys in this many steps. */
const SLICES = 8;

interface PartitionKeys {
  readonly epoch: EpochId;
  /** By the slice of the records' time. */
  readonly slices: Map<number, OffsetTable>;
  /** Every record from this time on is known; undefined: not even the newest ones. */
  knownFromMs: number | undefined;
  /** Slices before this time went for want of room. */
  droppedBeforeMs: number;
  newestMs: number;
}

/**
 * Which keys the newest records of each partition bear, so that an edge knows a repeated key also
 * without Redis. Times are the log's own: what counts as `dedupMs` ago is counted back from the
 * newest record of the partition, whatever the edge's clock says.
 */
export class KeyWindow {
  readonly #sliceMs: number;
  readonly #dedupMs: number;
  readonly #keysMax: number;
  readonly #partitions = new Map<number, PartitionKeys>();
  #size = 0;

  constructor({ dedupMs, keysMax }: KeyWindowOptions) {
    this.#dedupMs = dedupMs;
    this.#keysMax = keysMax;
    this.#sliceMs = Math.max(1, Math.ceil(dedupMs / SLICES));
  }

  get size(): number {
    return this.#size;
  }

  /** What was known of the partition is forgotten: its records are no longer followed. */
  reset(partition: number, epoch: EpochId): void {
    this.#forget(partition);
    this.#partitions.set(partition, {
      epoch,
      slices: new Map(),
      knownFromMs: undefined,
      droppedBeforeMs: -Infinity,
      newestMs: -Infinity,
    });
  }

  /** The newest record of the log was appended then; older ones than `dedupMs` are not wanted. */
  begin(partition: number, newestMs: number): void {
    const keys = this.#partitions.get(partition);
    if (keys !== undefined && newestMs > keys.newestMs) this.#advance(keys, newestMs);
  }

  /** From that time on nothing is missing. */
  known(partition: number, fromMs: number): void {
    const keys = this.#partitions.get(partition);
    if (keys !== undefined) keys.knownFromMs = Math.max(fromMs, keys.droppedBeforeMs);
  }

  add(partition: number, { hash, offset, timestampMs }: KeyedRecord): void {
    const keys = this.#partitions.get(partition);
    if (keys === undefined || timestampMs < keys.newestMs - this.#dedupMs) return;
    const slice = Math.floor(timestampMs / this.#sliceMs);
    let table = keys.slices.get(slice);
    if (table === undefined) keys.slices.set(slice, (table = new OffsetTable()));
    table.add(hash, offset);
    this.#size += 1;
    if (timestampMs > keys.newestMs) this.#advance(keys, timestampMs);
    if (this.#size > this.#keysMax) this.#dropOldest();
  }

  /** Offsets of records that may bear the key, lowest first. */
  candidates(partition: number, hash: number): bigint[] {
    const keys = this.#partitions.get(partition);
    if (keys === undefined) return [];
    const found = [...keys.slices.values()].flatMap((table) => table.get(hash));
    return found.toSorted((one, other) => (one < other ? -1 : 1));
  }

  /** Whether a key without a candidate was surely not used within `dedupMs`. */
  covers(partition: number): boolean {
    const keys = this.#partitions.get(partition);
    if (keys?.knownFromMs === undefined) return false;
    return keys.knownFromMs === -Infinity || keys.knownFromMs <= keys.newestMs - this.#dedupMs;
  }

  epochOf(partition: number): EpochId | undefined {
    return this.#partitions.get(partition)?.epoch;
  }

  #forget(partition: number): void {
    for (const table of this.#partitions.get(partition)?.slices.values() ?? []) {
      this.#size -= table.size;
    }
    this.#partitions.delete(partition);
  }

  #advance(keys: PartitionKeys, newestMs: number): void {
    keys.newestMs = newestMs;
    const oldest = Math.floor((newestMs - this.#dedupMs) / this.#sliceMs);
    for (const [slice, table] of keys.slices) {
      if (slice >= oldest) continue;
      keys.slices.delete(slice);
      this.#size -= table.size;
    }
  }

  #dropOldest(): void {
    const oldest = Math.min(
      ...[...this.#partitions.values()].flatMap(({ slices }) => [...slices.keys()]),
    );
    for (const keys of this.#partitions.values()) {
      const table = keys.slices.get(oldest);
      if (table === undefined) continue;
      keys.slices.delete(oldest);
      this.#size -= table.size;
      const fromMs = (oldest + 1) * this.#sliceMs;
      keys.droppedBeforeMs = Math.max(keys.droppedBeforeMs, fromMs);
      if (keys.knownFromMs !== undefined) keys.knownFromMs = Math.max(keys.knownFromMs, fromMs);
    }
  }
}
