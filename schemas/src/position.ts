/**
 * A place in the log, as docs/protocol.md §2 has it: the number is that of the *next* record, so 0
 * stands before everything, and a message's own position is its offset + 1.
 */
export interface Position {
  /** Identity of the topic's incarnation, as text: see `EpochId`. */
  readonly epoch: EpochId;
  readonly partition: number;
  readonly offset: bigint;
}

/**
 * The first 8 characters of Kafka's topic id in Kafka's own base64url text (KIP-516), so that an
 * operator can compare by eye. 48 bits only have to tell apart the incarnations of one topic.
 */
export type EpochId = string & { readonly __brand: "EpochId" };

export type PositionText = string & { readonly __brand: "PositionText" };

const OFFSET_MAX = 2n ** 63n - 1n;
const PARTITION_MAX = 2 ** 31 - 1;

// One spelling each: no sign, no leading zero. 19 digits hold 2^63 - 1.
const GRAMMAR = /^([A-Za-z0-9_-]{8})\.(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,18})$/;

export function formatPosition(position: Position): PositionText {
  return `${position.epoch}.${position.partition}.${position.offset}` as PositionText;
}

/** The position that a text spells, or undefined: each position has exactly one spelling. */
export function parsePosition(text: unknown): Position | undefined {
  if (typeof text !== "string") return undefined;
  const match = GRAMMAR.exec(text);
  if (match === null) return undefined;
  const [, epoch, partition, offset] = match as unknown as [string, string, string, string];
  const parsed = {
    epoch: epoch as EpochId,
    partition: Number(partition),
    offset: BigInt(offset),
  };
  return parsed.partition > PARTITION_MAX || parsed.offset > OFFSET_MAX ? undefined : parsed;
}

/** The epoch's text from Kafka's topic id (16 bytes). */
export function epochIdOf(topicId: Uint8Array): EpochId {
  const bytes = topicId.subarray(0, 6);
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_") as EpochId;
}
