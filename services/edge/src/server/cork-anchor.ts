import { randomUUID } from "node:crypto";
import { type ClientRequest, get } from "node:http";
import type { LibraryResponse } from "./library-exchange.ts";

export interface ServedPlace {
  readonly host: string;
  readonly port: number;
}

const AGAIN_MS = 100;

/** Addresses that mean "all of them"; what listens there is reached by loopback. */
const ANY_ADDRESS = /^(?:0\.0\.0\.0|::|\[::\])$/;

/**
 * A request of the server to itself that is never answered, so that there is always a response other
 * than the one at hand.
 *
 * The library wants what is written after an await to be written inside a `cork`. An upgrade inside
 * the `cork` of its own response is not safe: where the socket stays at its address, the library,
 * coming back from the cork, takes the WebSocket's memory for that of the HTTP response, and now and
 * then reads from it that the connection has to be closed: the client sees its 101, and then the end
 * (0 to 4 of 10 first connections of a process, 1 of some thousands later). Inside the cork of
 * another response it is not corked, costs some more writes, and nothing is taken for anything else.
 */
export class CorkAnchor {
  /** Known to nobody else. */
  readonly path = `/${randomUUID()}`;
  #response: LibraryResponse | undefined;
  #request: ClientRequest | undefined;
  #onTaken: (() => void) | undefined;
  #isClosed = false;

  /** The server's side of the request. */
  take(response: LibraryResponse): void {
    response.onAborted(() => {
      if (this.#response === response) this.#response = undefined;
    });
    this.#response = response;
    this.#onTaken?.();
  }

  /** Resolves when the request has come in. */
  hold(place: ServedPlace): Promise<void> {
    return new Promise((resolve) => {
      this.#onTaken = resolve;
      this.#connect(place);
    });
  }

  cork(write: () => void): void {
    if (this.#response === undefined) write();
    else this.#response.cork(write);
  }

  close(): void {
    this.#isClosed = true;
    this.#request?.destroy();
  }

  #connect(place: ServedPlace): void {
    if (this.#isClosed) return;
    const { port, host } = place;
    const address = ANY_ADDRESS.test(host) ? "127.0.0.1" : host;
    const request = get({ host: address, port, path: this.path, agent: false });
    this.#request = request;
    request.on("socket", (socket) => socket.unref());
    request.on("error", () => undefined);
    request.on("close", () => {
      setTimeout(() => this.#connect(place), AGAIN_MS).unref();
    });
  }
}
