/** A message as the topic holds it, in the order of its partition. */
export interface Stored {
  readonly c: string;
  readonly pos: string;
  readonly from: string;
  readonly key: string;
  readonly body: string;
  /** The record's `edge` header: who appended it, and that edge's own number of it. */
  readonly mark?: string;
}

/** A frame that told a receiver something of a conversation. */
export interface Told {
  readonly t: string;
  readonly c?: string;
  readonly pos?: string;
  readonly prev?: string;
  readonly after?: string;
  readonly from?: string;
  readonly key?: string;
  readonly body?: string;
}

/** What a publisher was answered. */
export interface Acknowledged {
  readonly c: string;
  readonly from: string;
  readonly key: string;
  readonly pos: string;
  /** Of the body that was sent, by `bodySum`. */
  readonly sum?: string;
}

/** The place in its partition that a position's text names. */
export function offsetOf(position: string): bigint {
  return BigInt(position.split(".")[2] ?? 0);
}

export function partitionOf(position: string): number {
  return Number(position.split(".")[1] ?? 0);
}
