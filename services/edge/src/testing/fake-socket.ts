import type { CloseCode } from "@millrace/schemas";
import type { SendOutcome, Socket, Writer } from "../connection/socket.ts";

/**
 * A socket whose kernel takes only what a test lets it: flowing, it takes everything at once;
 * stalled, it buffers up to `capacityBytes` and drops what is beyond. Frames come to `onFrame` in
 * the order taken, when the peer has read them.
 */
export class FakeSocket implements Socket {
  readonly #capacityBytes: number;
  readonly #onFrame: (frame: string) => void;
  readonly #buffer: string[] = [];
  #bufferedBytes = 0;
  #bufferedBytesPeak = 0;
  #isStalled = false;
  #isCorked = false;
  #closeCode: CloseCode | undefined;
  #dropped = 0;
  pings = 0;
  /** What was taken, as it came: a batch is one of them. */
  readonly messages: string[] = [];

  constructor(options: {
    readonly capacityBytes: number;
    readonly onFrame: (frame: string) => void;
  }) {
    this.#capacityBytes = options.capacityBytes;
    this.#onFrame = options.onFrame;
  }

  get closeCode(): CloseCode | undefined {
    return this.#closeCode;
  }

  /** How many frames were not taken. */
  get dropped(): number {
    return this.#dropped;
  }

  get bufferedBytesPeak(): number {
    return this.#bufferedBytesPeak;
  }

  get isStalled(): boolean {
    return this.#isStalled;
  }

  send(frame: Uint8Array | string): SendOutcome {
    const text = typeof frame === "string" ? frame : Buffer.from(frame).toString();
    const size = Buffer.byteLength(text);
    if (this.#closeCode !== undefined || this.#bufferedBytes + size > this.#capacityBytes) {
      this.#dropped += 1;
      return "dropped";
    }
    this.messages.push(text);
    if (!this.#isStalled && this.#bufferedBytes === 0) {
      this.#read(text);
      return "sent";
    }
    this.#buffer.push(text);
    this.#bufferedBytes += size;
    this.#bufferedBytesPeak = Math.max(this.#bufferedBytesPeak, this.#bufferedBytes);
    return "buffered";
  }

  bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  ping(): void {
    this.pings += 1;
  }

  cork(writer: Writer): void {
    if (this.#isCorked) throw new Error("a cork inside a cork");
    this.#isCorked = true;
    writer.write();
    this.#isCorked = false;
  }

  close(code: CloseCode): void {
    this.#closeCode ??= code;
  }

  terminate(): void {
    this.#closeCode ??= 1001;
  }

  /** The peer stops reading. */
  stall(): void {
    this.#isStalled = true;
  }

  /** The peer reads everything, and goes on doing so. */
  flow(): void {
    this.#isStalled = false;
    this.drain(this.#bufferedBytes);
  }

  /** The peer reads about as many bytes, in whole frames, at least one. */
  drain(bytes: number): void {
    let left = bytes;
    while (left > 0 || this.#bufferedBytes === 0) {
      const frame = this.#buffer.shift();
      if (frame === undefined) return;
      const size = Buffer.byteLength(frame);
      this.#bufferedBytes -= size;
      left -= size;
      this.#read(frame);
    }
  }

  /** A batch comes as the frames in it. */
  #read(text: string): void {
    for (const frame of framesOf(text)) this.#onFrame(frame);
  }
}

/** Tests also send words that are no JSON, and without commas. */
function framesOf(text: string): string[] {
  if (!text.startsWith("[")) return [text];
  if (!text.startsWith("[{")) return text.slice(1, -1).split(",");
  return (JSON.parse(text) as unknown[]).map((frame) => JSON.stringify(frame));
}
