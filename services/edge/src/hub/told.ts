import { type EpochId, type PositionText, formatPosition } from "@millrace/schemas";

/**
 * The last position told to a subscriber, with its text, made once per message and shared by all
 * its receivers. Offsets are those of positions: of the next record.
 */
export interface Told {
  readonly epoch: EpochId;
  readonly partition: number;
  readonly offset: bigint;
  readonly text: PositionText;
}

export function told(epoch: EpochId, partition: number, offset: bigint): Told {
  return { epoch, partition, offset, text: formatPosition({ epoch, partition, offset }) };
}

/** Whether it stands before a place of its own log; another incarnation's is none. */
export function isBefore(position: Told, place: Told | undefined): boolean {
  if (place?.epoch !== position.epoch || place.partition !== position.partition) return false;
  return position.offset < place.offset;
}
