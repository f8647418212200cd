import type { LogRecord } from "@millrace/log";
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
  readonly #frames = new WeakMap<LogRecord, SharedFrame>();
  /** In the order of use. They do not hold their records, which would hold what came with them. */
  readonly #used = new Set<SharedFrame>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined: nobody can read the record. */
  of(record: LogRecord, place: RecordPlace): SharedFrame | undefined {
    let frame = this.#frames.get(record);
    if (frame !== undefined && this.#used.delete(frame)) {
      this.#used.add(frame);
      return frame;
    }
    const made = messageFrame(record, place);
    if ("undecodable" in made) return undefined;
    frame = new SharedFrame(made);
    this.#frames.set(record, frame);
    this.#used.add(frame);
    this.#bytes += frame.bytes;
    for (const oldest of this.#used) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#used.delete(oldest);
      this.#bytes -= oldest.bytes;
      oldest.clear();
    }
    return frame;
  }
}

/** A message with the bytes of its last receiver, which are nearly always those of the next. */
export class SharedFrame {
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

  clear(): void {
    this.#encoded = undefined;
    this.#prev = undefined;
  }
}

/** Small buffers are parts of pages, which would stay as a whole for as long as one of them is kept. */
function ownMemory(bytes: Uint8Array): Uint8Array {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}
