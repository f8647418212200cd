import type { Log, LogRecord, ReadOutcome } from "@millrace/log";
import { recordsOf } from "@millrace/log";
import type { EpochId } from "@millrace/schemas";
import { decodeMessage } from "@millrace/schemas/record";
import type { PublishId } from "./publish-id.ts";

export type SearchOutcome =
  | { readonly kind: "found"; readonly offset: bigint; readonly timestampMs: number }
  | { readonly kind: "absent" }
  /** The partition can't be read at the moment. */
  | { readonly kind: "unavailable" };

export interface SearchPlace {
  readonly epoch: EpochId;
  readonly partition: number;
}

const ABSENT: SearchOutcome = { kind: "absent" };
const UNAVAILABLE: SearchOutcome = { kind: "unavailable" };

/** Looks into the log for the record of a publish; what is there is the only proof. Never rejects. */
export class RecordSearch {
  readonly #log: Log;
  readonly #readBytes: number;

  constructor(log: Log, readBytes: number) {
    this.#log = log;
    this.#readBytes = readBytes;
  }

  /** Whether one of these offsets is it: the first that is. */
  async among(
    place: SearchPlace,
    offsets: readonly bigint[],
    id: PublishId,
  ): Promise<SearchOutcome> {
    for (const offset of offsets) {
      const chunk = await this.#read(place, offset);
      if (chunk.kind === "unavailable") return UNAVAILABLE;
      if (chunk.kind !== "chunk") continue;
      const record = chunk.records.find((other) => other.offset === offset);
      if (record !== undefined && isOf(record, id)) return found(record);
    }
    return ABSENT;
  }

  /** Whether it stands anywhere from that offset to the end that the log has now. */
  async since(place: SearchPlace, from: bigint, id: PublishId): Promise<SearchOutcome> {
    const bounds = await this.#log.bounds(place.partition);
    if (bounds.kind === "unavailable") return UNAVAILABLE;
    // In another incarnation it can't be: whoever reserved its key meant the one before.
    if (bounds.epoch !== place.epoch) return ABSENT;
    let offset = from < bounds.startOffset ? bounds.startOffset : from;
    while (offset < bounds.endOffset) {
      const chunk = await this.#read(place, offset);
      if (chunk.kind !== "chunk") return UNAVAILABLE;
      const record = recordsOf(chunk, id.conversation).find((other) => isOf(other, id));
      if (record !== undefined) return found(record);
      if (chunk.next === offset) return UNAVAILABLE;
      offset = chunk.next;
    }
    return ABSENT;
  }

  #read({ epoch, partition }: SearchPlace, offset: bigint): Promise<ReadOutcome> {
    return this.#log.readFrom({
      epoch,
      partition,
      offset,
      waitMs: 0,
      bytesMax: this.#readBytes,
    });
  }
}

function found({ offset, timestampMs }: LogRecord): SearchOutcome {
  return { kind: "found", offset, timestampMs };
}

function isOf({ value }: LogRecord, { conversation, sender, key }: PublishId): boolean {
  const decoded = value === null ? undefined : decodeMessage(value);
  if (decoded?.kind !== "message") return false;
  const { message } = decoded;
  return message.key === key && message.sender === sender && message.conversation === conversation;
}
