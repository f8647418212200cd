import { bodySum } from "./body-sum.ts";
import { type Acknowledged, type Stored, offsetOf, partitionOf } from "./evidence.ts";
import type { KeyRecord } from "./key-record.ts";
import type { OffenceKind, Offences } from "./offence.ts";

const TOPIC = "the topic";

/** The newest messages of a partition that are kept for an acknowledgement still to come. */
const KEPT_MAX = 5_000;

interface Kept {
  readonly message: Stored;
  readonly record: KeyRecord;
}

interface PartitionState {
  /** The topic has been read up to there. */
  read: bigint;
  /** What stands before can't be asked for any more. */
  forgottenTo: bigint;
  readonly stored: Map<string, Kept>;
  /** Those of which the topic has not been read yet. */
  readonly acknowledged: Map<string, Acknowledged>;
}

/**
 * Brings together what was acknowledged and what is stored, by position, whichever comes first:
 * logs and topic are read side by side. One message may be acknowledged more than once, to whoever
 * sent it again.
 */
export class Acknowledgements {
  readonly #offences: Offences;
  /** Every message of these conversations has a publisher who wrote it down. */
  readonly #isComplete: boolean;
  readonly #partitions = new Map<string, PartitionState>();
  /** Of each conversation: the first and the last that were acknowledged. */
  readonly #spans = new Map<string, { partition: number; first: bigint; last: bigint }>();
  /** Acknowledgements that came when the topic's part was forgotten. */
  unjudged = 0;

  constructor(offences: Offences, isComplete: boolean) {
    this.#offences = offences;
    this.#isComplete = isComplete;
  }

  /** Up to where a conversation's receivers are owed messages. */
  lastOf(c: string): bigint {
    return this.#spans.get(c)?.last ?? 0n;
  }

  stored(message: Stored, record: KeyRecord): void {
    const { pos } = message;
    const state = this.#partition(pos);
    state.read = offsetOf(pos);
    const kept = { message, record };
    const acknowledged = state.acknowledged.get(pos);
    state.acknowledged.delete(pos);
    if (acknowledged !== undefined) this.#compare(kept, acknowledged);
    state.stored.set(pos, kept);
    if (state.stored.size > KEPT_MAX) this.#forgetOldest(state);
  }

  acknowledged(acknowledged: Acknowledged): void {
    const { c, pos } = acknowledged;
    const state = this.#partition(pos);
    const offset = offsetOf(pos);
    this.#extend(c, partitionOf(pos), offset);
    const kept = state.stored.get(pos);
    const other = state.acknowledged.get(pos) ?? acknowledged;
    if (kept !== undefined) this.#compare(kept, acknowledged);
    else if (!isOne(other, acknowledged)) this.#lost(acknowledged);
    else if (offset > state.read) state.acknowledged.set(pos, acknowledged);
    else if (offset > state.forgottenTo) this.#lost(acknowledged);
    else this.unjudged += 1;
  }

  /** How far the topic has to be read for all that is owed: by partition, the offset behind it. */
  get owedTo(): Map<number, bigint> {
    const owed = new Map<number, bigint>();
    for (const { partition, last } of this.#spans.values()) {
      if (last > (owed.get(partition) ?? 0n)) owed.set(partition, last);
    }
    return owed;
  }

  /** The topic has been read to its end, and the logs to theirs. */
  end(): void {
    for (const { stored, acknowledged } of this.#partitions.values()) {
      for (const one of acknowledged.values()) this.#lost(one);
      for (const one of stored.values()) this.#judgeForeign(one);
    }
  }

  #compare({ message, record }: Kept, acknowledged: Acknowledged): void {
    const { pos, from, key, body } = message;
    const { sum } = acknowledged;
    if (!isOne(message, acknowledged)) return this.#lost(acknowledged);
    record.isAcknowledged = true;
    if (sum === undefined || sum === bodySum(body)) return;
    this.#offend("corrupted", acknowledged, `${from}'s ${key} at ${pos} is not what was sent`);
  }

  #lost(acknowledged: Acknowledged): void {
    const { from, key, pos } = acknowledged;
    this.#offend("lost", acknowledged, `${from}'s ${key} was acknowledged at ${pos} and is lost`);
  }

  #forgetOldest(state: PartitionState): void {
    for (const [pos, kept] of state.stored) {
      state.stored.delete(pos);
      state.forgottenTo = offsetOf(pos);
      return this.#judgeForeign(kept);
    }
  }

  #judgeForeign({ message, record }: Kept): void {
    if (!this.#isComplete || record.isAcknowledged) return;
    const { c, pos, from, key } = message;
    const span = this.#spans.get(c);
    const offset = offsetOf(pos);
    // What was said before and after is not the publishers' matter.
    if (span === undefined || offset < span.first || offset > span.last) return;
    this.#offend("foreign", { c, pos }, `${from}'s ${key} at ${pos} has no known publisher`);
  }

  #offend(kind: OffenceKind, place: { c: string; pos: string }, text: string): void {
    this.#offences.add({ kind, where: TOPIC, c: place.c, pos: place.pos, text });
  }

  #extend(c: string, partition: number, offset: bigint): void {
    const span = this.#spans.get(c);
    if (span === undefined) this.#spans.set(c, { partition, first: offset, last: offset });
    else if (offset > span.last) span.last = offset;
    else if (offset < span.first) span.first = offset;
  }

  #partition(pos: string): PartitionState {
    const name = pos.slice(0, pos.lastIndexOf("."));
    let state = this.#partitions.get(name);
    if (state === undefined) {
      state = { read: 0n, forgottenTo: 0n, stored: new Map(), acknowledged: new Map() };
      this.#partitions.set(name, state);
    }
    return state;
  }
}

type Named = Pick<Acknowledged, "c" | "from" | "key">;

function isOne(one: Named, other: Named): boolean {
  return one.c === other.c && one.from === other.from && one.key === other.key;
}
