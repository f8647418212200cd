/** What the SDK uses of a WebSocket, in browsers and elsewhere (WHATWG WebSockets). */
export interface SocketLike {
  addEventListener(type: SocketEventType, listener: (event: SocketEvent) => void): void;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export type SocketEventType = "open" | "message" | "close" | "error";

export interface SocketEvent {
  readonly data?: unknown;
  readonly code?: number;
}

export type SocketConstructor = new (url: string, protocols: string[]) => SocketLike;

export interface CancellableTimer {
  cancel(): void;
}

/** Durations only, on a clock that nobody sets. */
export interface MonotonicClock {
  nowMs(): number;
  after(delayMs: number, run: () => void): CancellableTimer;
}

/** Time, chance and the network, as the SDK sees them; tests bring their own. */
export interface Environment {
  readonly webSocket: SocketConstructor;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: MonotonicClock;
  /** As Math.random: 0 ≤ x < 1. */
  readonly random: () => number;
}

const browserClock: MonotonicClock = {
  nowMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** The platform's own, apart from what is given. Throws where there is no WebSocket at all. */
export function environmentWith(given: Partial<Environment> = {}): Environment {
  const webSocket: SocketConstructor | undefined = given.webSocket ?? globalThis.WebSocket;
  if (webSocket === undefined) {
    throw new TypeError("there is no WebSocket here; import @millrace/client/node in Node");
  }
  return {
    fetch: (url, init) => globalThis.fetch(url, init),
    clock: browserClock,
    random: Math.random,
    ...given,
    webSocket,
  };
}
