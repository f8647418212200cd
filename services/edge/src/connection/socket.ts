import type { CloseCode } from "@millrace/schemas";

/** What became of a frame: only `dropped` was not taken, and only that one may be sent again. */
export type SendOutcome = "sent" | "buffered" | "dropped";

/** Called once, before `cork` returns. An object, so that no connection keeps a function for it. */
export interface Writer {
  write(): void;
}

/**
 * One open WebSocket, as the connection sees it: the seam between the product and the WebSocket
 * library. After `onClose` every method does nothing (`send` answers `dropped`).
 */
export interface Socket {
  /** Sends one text message; its bytes are UTF-8. */
  send(frame: Uint8Array | string): SendOutcome;
  /** Bytes taken by `send` that the kernel has not yet taken. */
  bufferedBytes(): number;
  /** A WebSocket ping, behind what is buffered. */
  ping(): void;
  /** Everything sent inside leaves in as few writes as possible. */
  cork(writer: Writer): void;
  /** Sends a close frame after what is buffered. The reason is a fixed word of the code table. */
  close(code: CloseCode): void;
  /** Ends the TCP connection now, without a close frame. */
  terminate(): void;
}

/** What the connection hears of its socket; calls come one after the other, never nested. */
export interface SocketListener {
  /** One text message, valid UTF-8, at most the announced `frameBytes`. */
  onText(text: string): void;
  /** A WebSocket ping: nothing but a sign of life. */
  onSign(): void;
  /** A WebSocket pong: an answer to a ping of ours. */
  onPong(): void;
  /** The kernel has taken bytes; `bufferedBytes` has fallen. */
  onDrain(): void;
  onClose(code: number): void;
}
