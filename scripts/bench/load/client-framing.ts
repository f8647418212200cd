import { SUBPROTOCOL } from "@millrace/schemas";

/**
 * The client's half of WebSocket framing (RFC 6455 §5.2), as cheap as it can be. A client must mask
 * what it sends; with a mask of four zero bytes the payload stays as it is, which is no protection
 * against the proxies that masking is meant for, and none is needed on loopback.
 */

const FIN_TEXT = 0x81;
const FIN_PONG = 0x8a;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

export const OPCODE = { text: 1, close: 8, ping: 9 } as const;

/** Any 16 bytes do: nobody here checks the answer to them. */
const WEBSOCKET_KEY = "bWlsbHJhY2UtYmVuY2htaw==";

export function textFrame(payload: string): Buffer {
  const { length } = Buffer.from(payload);
  const header =
    length < LENGTH_16 ? [length | MASKED] : [LENGTH_16 | MASKED, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([FIN_TEXT, ...header, 0, 0, 0, 0]), Buffer.from(payload)]);
}

export const PONG = Buffer.from([FIN_PONG, MASKED, 0, 0, 0, 0]);

export function upgradeRequest(options: {
  readonly host: string;
  readonly port: number;
  readonly token: string;
}): string {
  const { host, port, token } = options;
  const lines = [
    "GET /v1/connect HTTP/1.1",
    `Host: ${host}:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`,
    `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
    `Authorization: Bearer ${token}`,
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Bytes from a frame's first one to its payload; 0 while they are not all there. */
export function headerBytes(bytes: Buffer, at: number, end: number): number {
  if (end - at < 2) return 0;
  const length = (bytes[at + 1] ?? 0) & 0x7f;
  const size = length < LENGTH_16 ? 2 : length === LENGTH_16 ? 4 : 10;
  return end - at < size ? 0 : size;
}

/** Length of the payload; its header is there as a whole. */
export function payloadBytes(bytes: Buffer, at: number): number {
  const length = (bytes[at + 1] ?? 0) & 0x7f;
  if (length < LENGTH_16) return length;
  if (length < LENGTH_64) return ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  return bytes.readUInt32BE(at + 6);
}
