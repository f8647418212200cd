import type { Socket } from "node:net";
import type { Clock } from "@millrace/runtime";
import { ByteReader } from "./protocol/byte-reader.ts";
import { ByteWriter } from "./protocol/byte-writer.ts";
import type { WireRequest } from "./protocol/wire-request.ts";

export interface RequestLineOptions {
  readonly clock: Clock;
  readonly clientId: string;
  readonly socket: Pick<Socket, "write">;
  /** Called once; the socket is to be destroyed. */
  readonly onEnd: (cause: Error) => void;
}

interface Asked {
  readonly correlation: number;
  readonly deadlineMs: number;
  readonly take: (response: ByteReader) => void;
  readonly reject: (cause: Error) => void;
}

const SIZE_BYTES = 4;
const HEADER_BYTES = 64;
const CORRELATION_MASK = 0x7fffffff;

/** Far above what is ever asked for: beyond it the bytes are no answer of a broker. */
const ANSWER_BYTES_MAX = 268_435_456;

/**
 * Requests and answers on one connection: size, header, body
 * (https://kafka.apache.org/protocol#protocol_messages). A broker answers the requests of a
 * connection in the order in which it got them, so the first one that is open is the one answered.
 *
 * Invariant: each request is settled once, with its own answer or with what ended the line. A cut,
 * an answer that is late, and one that can't be read end the line with everything on it, because
 * what comes after them could be taken for the answer to something else.
 *
 * Small requests dominate at low rates, so one costs a promise and no timer of its own: a timer
 * runs to the earliest deadline, and looks then whether it still matters.
 */
export class RequestLine {
  readonly #options: RequestLineOptions;
  #open: Asked[] = [];
  #correlation = 0;
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Bytes of the answer that is coming in, as far as is known. */
  #needed = SIZE_BYTES;
  #timerMs = Number.POSITIVE_INFINITY;
  #isEnded = false;
  #isRetired = false;

  constructor(options: RequestLineOptions) {
    this.#options = options;
  }

  /** Whether nothing may be asked any more. */
  get isOver(): boolean {
    return this.#isEnded || this.#isRetired;
  }

  /** Another line has taken its place: it ends with its last answer. */
  retire(): void {
    this.#isRetired = true;
    this.#endRetired();
  }

  /** Only on a line that is not over. */
  ask<Answer>(request: WireRequest<Answer>, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const correlation = this.#correlation;
      this.#correlation = (correlation + 1) & CORRELATION_MASK;
      const deadlineMs = this.#options.clock.nowMs() + timeoutMs;
      const take = (response: ByteReader): void => resolve(request.read(response));
      this.#open.push({ correlation, deadlineMs, take, reject });
      this.#watch(deadlineMs);
      this.#options.socket.write(this.#encode(request, correlation));
    });
  }

  /** What the socket has brought. */
  receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    while (this.#buffered >= this.#needed && !this.#isEnded) {
      const [first] = this.#chunks;
      const bytes = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks);
      const size = bytes.readInt32BE(0);
      if (size < SIZE_BYTES || size > ANSWER_BYTES_MAX) return this.end(new Error("no answer"));
      const end = SIZE_BYTES + size;
      const isWhole = bytes.length >= end;
      this.#needed = isWhole ? SIZE_BYTES : end;
      this.#keep(isWhole ? bytes.subarray(end) : bytes);
      if (isWhole) this.#answer(bytes.subarray(SIZE_BYTES, end));
    }
  }

  /** Whoever waits for an answer hears of it at once. */
  end(cause: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#keep(Buffer.alloc(0));
    const open = this.#open;
    this.#open = [];
    this.#options.onEnd(cause);
    for (const { reject } of open) reject(cause);
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#buffered = rest.length;
  }

  #encode({ apiKey, apiVersion, body }: WireRequest<unknown>, correlation: number): Buffer {
    const writer = new ByteWriter(HEADER_BYTES + body.length).int32(0);
    writer.int16(apiKey).int16(apiVersion).int32(correlation);
    const bytes = writer.string(this.#options.clientId).raw(body).finish();
    bytes.writeInt32BE(bytes.length - SIZE_BYTES, 0);
    return bytes;
  }

  #answer(frame: Buffer): void {
    const asked = this.#open[0];
    const response = new ByteReader(frame);
    if (asked?.correlation !== response.int32()) return this.end(new Error("a stray answer"));
    try {
      // A malformed answer rejects, it does not throw into the socket.
      asked.take(response);
    } catch (cause) {
      return this.end(new Error("an answer that can't be read", { cause }));
    }
    this.#open.shift();
    this.#endRetired();
  }

  #endRetired(): void {
    if (this.#isRetired && this.#open.length === 0) this.end(new Error("renewed"));
  }

  #watch(deadlineMs: number): void {
    if (deadlineMs >= this.#timerMs) return;
    this.#timerMs = deadlineMs;
    const { clock } = this.#options;
    clock.after(Math.max(0, deadlineMs - clock.nowMs()), () => this.#look(deadlineMs));
  }

  #look(timerMs: number): void {
    // An earlier one has taken its place.
    if (this.#timerMs !== timerMs) return;
    this.#timerMs = Number.POSITIVE_INFINITY;
    const nextMs = Math.min(...this.#open.map(({ deadlineMs }) => deadlineMs));
    if (nextMs <= this.#options.clock.nowMs()) this.end(new Error("no answer in time"));
    else if (nextMs < Number.POSITIVE_INFINITY) this.#watch(nextMs);
  }
}
