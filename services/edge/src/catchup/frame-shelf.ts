import type { LogRecord } from "@millrace/log";
import { ownMemory } from "@millrace/runtime";
import { type MessageFrame, type RecordPlace, messageFrame } from "../hub/message-frame.ts";
import type { Told } from "../hub/told.ts";

/** What a frame costs beside its text, about. */
const FRAME_BYTES = 400;

/**
 * Frames of messages that were replayed lately. After an outage all members of a conversation come
 * back for the same messages, nearly all with the same `prev`: each is turned into bytes once.
 *
 * A frame is found by its record, an object that the log's cache shares and that nobody changes;
 * what is not used leaves it first, beyond the bound or together with the record.
 */
export class FrameShelf {
  readonly #bytesMax: number;
  readonly #places = new WeakMap<LogRecord, Place>();
  /** In the order of use. They do not hold their records, which would hold what came with them. */
  readonly #used = new Set<Place>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined: nobody can read the record. */
  of(record: LogRecord, at: RecordPlace): SharedFrame | undefined {
    const place = this.#places.get(record);
    if (place?.frame !== undefined) {
      this.#used.delete(place);
      this.#used.add(place);
      return place.frame;
    }
    const made = messageFrame(record, at);
    if ("undecodable" in made) return undefined;
    const frame = new SharedFrame(made);
    this.#put(record, frame);
    return frame;
  }

  #put(record: LogRecord, frame: SharedFrame): void {
    const place = { frame };
    this.#places.set(record, place);
    this.#used.add(place);
    this.#bytes += frame.bytes;
    for (const oldest of this.#used) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#used.delete(oldest);
      this.#bytes -= oldest.frame?.bytes ?? 0;
      oldest.frame = undefined;
    }
  }
}

/** A record's place on the shelf; empty once others were used more lately. */
interface Place {
  frame: SharedFrame | undefined;
}

/** A message with the bytes of its last receiver, which are nearly always those of the next. */
class SharedFrame {
  readonly told: Told;
  /** What it costs to keep. */
  readonly bytes: number;
  readonly #frame: MessageFrame;
  #prev: string | undefined;
  #encoded: Uint8Array | undefined;

  constructor(frame: MessageFrame) {
    this.told = frame.told;
    this.#frame = frame;
    this.bytes = FRAME_BYTES + 3 * frame.fields.length;
  }

  encode(prev: string): Uint8Array {
    if (this.#encoded === undefined || this.#prev !== prev) {
      this.#encoded = ownMemory(this.#frame.encode(prev));
      this.#prev = prev;
    }
    return this.#encoded;
  }
}
