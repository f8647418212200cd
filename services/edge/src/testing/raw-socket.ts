import { type Socket, connect } from "node:net";

const HEAD_END = "\r\n\r\n";
const CLOSE = 0x88;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

export interface RawSocketOptions {
  readonly port: number;
  readonly token: string;
  readonly onData?: (data: Buffer) => void;
  /** What it offers in `Sec-WebSocket-Extensions`. */
  readonly extensions?: string;
  /** One of loopback's many: each has ports of its own. */
  readonly localAddress?: string;
}

/** A WebSocket by hand (RFC 6455): it sends whatever bytes a test gives it. */
export class RawSocket {
  readonly #socket: Socket;
  /** Everything that came after the 101. */
  received: Buffer = Buffer.alloc(0);
  isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (data: Buffer) => {
      this.received = Buffer.concat([this.received, data]);
    });
    socket.on("close", () => {
      this.isClosed = true;
    });
    // A half-closed socket would wait for our end, which never comes by itself.
    socket.on("end", () => socket.destroy());
  }

  /** Resolves after the 101. */
  static open(options: RawSocketOptions): Promise<RawSocket> {
    const { port, token, onData, extensions, localAddress } = options;
    return new Promise((resolve, reject) => {
      const socket = connect({
        port,
        host: "127.0.0.1",
        ...(localAddress !== undefined && { localAddress }),
      });
      socket.once("error", reject);
      if (onData !== undefined) socket.on("data", onData);
      let head: Buffer = Buffer.alloc(0);
      socket.on("data", function take(data: Buffer) {
        // It may come in pieces, and with the first frame behind it.
        head = Buffer.concat([head, data]);
        const end = head.indexOf(HEAD_END);
        if (end < 0) return;
        socket.off("data", take);
        const opened = new RawSocket(socket);
        opened.received = head.subarray(end + HEAD_END.length);
        resolve(opened);
      });
      socket.write(
        "GET /v1/connect HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
          (extensions === undefined ? "" : `Sec-WebSocket-Extensions: ${extensions}\r\n`) +
          `Sec-WebSocket-Protocol: millrace.v1.json\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
    });
  }

  /** The code of the server's close frame, once it has come. */
  get closeCode(): number | undefined {
    for (let at = 0; at + 2 <= this.received.length;) {
      const { header, length } = lengthAt(this.received, at);
      if ((this.received[at] ?? 0) === CLOSE && length >= 2) {
        return this.received.readUInt16BE(at + header);
      }
      at += header + length;
    }
    return undefined;
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Half-closes it: the server reads what came, and ends its side. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** RST, as from a machine that is gone and back. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** Of a frame that is not masked. */
function lengthAt(bytes: Buffer, at: number): { readonly header: number; readonly length: number } {
  const short = (bytes[at + 1] ?? 0) & 0x7f;
  if (short < LENGTH_16) return { header: 2, length: short };
  if (short === LENGTH_16) return { header: 4, length: bytes.readUInt16BE(at + 2) };
  return { header: 10, length: Number(bytes.readBigUInt64BE(at + 2)) };
}

/** One frame: the first byte as given, masked unless told otherwise, its length a lie where given. */
export function rawFrame(
  firstByte: number,
  payload: string | Buffer,
  options: { readonly isMasked?: boolean; readonly length?: bigint } = {},
): Buffer {
  const { isMasked = true, length: told } = options;
  const data = Buffer.from(payload);
  const maskBit = isMasked ? 0x80 : 0;
  const length = lengthBytes(told ?? BigInt(data.length), maskBit, told !== undefined);
  if (!isMasked) return Buffer.concat([Buffer.from([firstByte]), length, data]);
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = data.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.from([firstByte]), length, mask, masked]);
}

/** A length that a test gives is written in the longest form, whatever it is. */
function lengthBytes(length: bigint, maskBit: number, isLong: boolean): Buffer {
  if (!isLong && length < LENGTH_16) return Buffer.from([maskBit | Number(length)]);
  const bytes = Buffer.alloc(isLong || length > 0xffffn ? 9 : 3);
  bytes[0] = maskBit | (bytes.length === 3 ? LENGTH_16 : LENGTH_64);
  if (bytes.length === 3) bytes.writeUInt16BE(Number(length), 1);
  else bytes.writeBigUInt64BE(length, 1);
  return bytes;
}
