import type { DownFrame, RequestId } from "@millrace/schemas";

/**
 * Publishes that stand behind each other: one without `behind`, and all that followed it. Once one
 * of them has failed, every later one fails, until a publish without `behind` starts a new chain.
 */
export interface Chain {
  /** The place of the first one that has failed: those before it go on. */
  brokenAt: number;
}

/** One publish in the lane; its answer waits for those of the publishes before it. */
export interface LaneEntry {
  readonly id: RequestId | undefined;
  readonly chain: Chain;
  /** Rises from one publish of the lane to the next. */
  readonly place: number;
  /** Undefined while open; null when there is nothing to say. */
  answer: DownFrame | null | undefined;
}

/**
 * The publishes of one connection to one conversation: answered in the order sent, errors included
 * (docs/protocol.md §3). A lane ends when it has nothing open and no failure to remember.
 */
export class PublishLane {
  readonly #send: (answer: DownFrame) => void;
  readonly #entries: LaneEntry[] = [];
  #chain: Chain = { brokenAt: Infinity };
  #places = 0;

  constructor(send: (answer: DownFrame) => void) {
    this.#send = send;
  }

  get isIdle(): boolean {
    return this.#entries.length === 0;
  }

  /** A later publish with `behind` an unknown id will fail. */
  get remembersFailure(): boolean {
    return this.#chain.brokenAt < Infinity;
  }

  open(options: { readonly id?: RequestId; readonly behind?: RequestId }): LaneEntry {
    const { id, behind } = options;
    if (behind === undefined) this.#chain = { brokenAt: Infinity };
    else this.#chain = this.#entryOf(behind)?.chain ?? this.#chain;
    const entry: LaneEntry = { id, chain: this.#chain, place: this.#places++, answer: undefined };
    this.#entries.push(entry);
    return entry;
  }

  /** Answers that entry, and sends every answer that is next in order. */
  settle(entry: LaneEntry, answer: DownFrame | null): void {
    entry.answer = answer;
    for (;;) {
      const first = this.#entries[0];
      if (first?.answer === undefined) return;
      this.#entries.shift();
      if (first.answer !== null) this.#send(first.answer);
    }
  }

  #entryOf(id: RequestId): LaneEntry | undefined {
    return this.#entries.findLast((entry) => entry.id === id);
  }
}

/** One before it in its chain has failed. */
export function standsBehindFailure({ chain, place }: LaneEntry): boolean {
  return chain.brokenAt < place;
}

/** Those behind it fail with it. */
export function breakChain({ chain, place }: LaneEntry): void {
  chain.brokenAt = Math.min(chain.brokenAt, place);
}
