/**
 * Who owns which partition. Ownership decides who relays, never what is true: two edges that both
 * believe to own a partition do no harm, nor does a partition that nobody owns for a while. So an
 * implementation may be late, and needs no fencing.
 */
export interface Ownership {
  /** What this edge owns, as far as it knows. */
  readonly owned: ReadonlySet<number>;
  /** Called after each change of `owned`; the answer ends it. */
  onChange(listener: (owned: ReadonlySet<number>) => void): () => void;
  /** How far the edge has handed on what it owns: shown by the usual tools, and nobody's truth. */
  progressed(partition: number, nextOffset: bigint): void;
  /** Becomes a member, and stays one through every failure until `leave`; again after it. */
  join(): void;
  /** The pins, or what the edge says of itself, may be others: distributed anew only where that matters. */
  refresh(): void;
  /** Has everything distributed anew, whatever has changed. */
  rejoin(): void;
  /** Hands everything to the others. Never rejects; takes a bounded time. */
  leave(): Promise<void>;
}

/** What an edge says of itself when partitions are distributed. */
export interface OwnershipMember {
  readonly edge: string;
  /** Where its operators' port is, for people and tools. */
  readonly address: string;
  /** Its share of the partitions, relative to the others'; 0 takes none. */
  readonly weight: number;
  /** It is about to end, and takes nothing as long as there is anybody else. */
  readonly isDraining: boolean;
}
