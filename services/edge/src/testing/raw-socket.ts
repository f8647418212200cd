import { type Socket, connect } from "node:net";

export interface RawSocketOptions {
  readonly port: number;
  readonly token: string;
  readonly onData?: (data: Buffer) => void;
  /** One of loopback's many: each has ports of its own. */
  readonly localAddress?: string;
}

/** A WebSocket by hand (RFC 6455): it sends whatever bytes a test gives it. */
export class RawSocket {
  readonly #socket: Socket;
  isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.isClosed = true;
    });
    // A half-closed socket would wait for our end, which never comes by itself.
    socket.on("end", () => socket.destroy());
  }

  /** Resolves after the 101. */
  static open({ port, token, onData, localAddress }: RawSocketOptions): Promise<RawSocket> {
    return new Promise((resolve, reject) => {
      const from = localAddress === undefined ? {} : { localAddress };
      const socket = connect({ port, host: "127.0.0.1", ...from });
      socket.once("error", reject);
      if (onData !== undefined) socket.on("data", onData);
      socket.once("data", () => resolve(new RawSocket(socket)));
      socket.write(
        "GET /v1/connect HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
          `Sec-WebSocket-Protocol: millrace.v1.json\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
    });
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** RST, as a machine that is gone and back. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** One frame: the first byte as given, masked unless told otherwise. */
export function rawFrame(
  firstByte: number,
  payload: string | Buffer,
  options: { readonly isMasked?: boolean } = {},
): Buffer {
  const { isMasked = true } = options;
  const data = Buffer.from(payload);
  const maskBit = isMasked ? 0x80 : 0;
  const length =
    data.length < 126
      ? Buffer.from([maskBit | data.length])
      : Buffer.from([maskBit | 126, data.length >> 8, data.length & 0xff]);
  if (!isMasked) return Buffer.concat([Buffer.from([firstByte]), length, data]);
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = data.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.from([firstByte]), length, mask, masked]);
}
