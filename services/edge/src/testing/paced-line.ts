import { type Socket, type TcpNetConnectOpts, connect } from "node:net";
import { Duplex } from "node:stream";

const SIP_MS = 25;

/**
 * A client's line that takes at most so many bytes a second from the kernel, evenly. What it does
 * not take stays in the kernel's buffers, and then with the edge, as with a slow reader.
 */
export class PacedLine extends Duplex {
  readonly #socket: Socket;
  readonly #bytesPerSec: number;
  readonly #timer: NodeJS.Timeout;
  #allowance = 0;

  constructor(options: TcpNetConnectOpts, bytesPerSec: number) {
    super();
    this.#bytesPerSec = bytesPerSec;
    this.#socket = connect(options);
    this.#socket.on("connect", () => this.emit("connect"));
    this.#socket.on("error", (error) => this.destroy(error));
    this.#socket.on("close", () => this.destroy());
    this.#socket.on("end", () => this.push(null));
    this.#timer = setInterval(() => this.#sip(), SIP_MS);
  }

  override _read(): void {
    // Bytes come with the clock, however many are wanted.
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#timer);
    this.#socket.destroy();
    done(error);
  }

  #sip(): void {
    const perSip = (this.#bytesPerSec * SIP_MS) / 1_000;
    this.#allowance = Math.min(this.#allowance + perSip, Math.max(this.#bytesPerSec, 1));
    if (this.#allowance < 1) return;
    const there = this.#socket.readableLength;
    // With nothing there a read of nothing asks the kernel for more.
    if (there === 0) return void this.#socket.read(0);
    const chunk = this.#socket.read(Math.min(there, Math.floor(this.#allowance))) as Buffer | null;
    if (chunk === null) return;
    this.#allowance -= chunk.length;
    this.push(chunk);
  }
}
