import { type Socket, connect as connectPlain } from "node:net";
import { type TLSSocket, connect as connectSecurely } from "node:tls";
import { upgradeRequest } from "./client-framing.ts";

export interface HandshakePlace {
  readonly port: number;
  /** PEM of who has signed the certificate; without it the line is not encrypted. */
  readonly ca?: string;
  /** Of an earlier connection: the handshake of TLS is a short one. */
  readonly session?: Buffer;
}

const HOST = "127.0.0.1";
const AT_ONCE = 16;
const HEAD_SHOWN = 200;
const ACCEPTED = "HTTP/1.1 101";

/** Connects, is let in and leaves, so many times, some at once; answers the seconds that it took. */
export async function makeHandshakes(
  place: HandshakePlace,
  tokens: readonly string[],
): Promise<number> {
  const startMs = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let token = tokens[next++]; token !== undefined; token = tokens[next++]) {
      const socket = await enter(place, token);
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return (performance.now() - startMs) / 1_000;
}

/** Resolves with the line of a client that was let in. */
export function enter(place: HandshakePlace, token: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = open(place, () => {
      if (place.session !== undefined && !(socket as TLSSocket).isSessionReused()) {
        reject(new Error("the session of TLS was not resumed"));
      }
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the line was closed")));
    let head = "";
    socket.on("data", (data: Buffer) => {
      head += data.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      if (head.startsWith(ACCEPTED)) resolve(socket);
      else reject(new Error(`not let in: ${head.slice(0, HEAD_SHOWN)}`));
    });
    socket.write(upgradeRequest({ host: HOST, port: place.port, token }), "latin1");
  });
}

/** What a connection is resumed with; TLS 1.3 sends it behind the handshake. */
export function tlsSession(place: HandshakePlace, token: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = open(place, () => undefined);
    socket.once("error", reject);
    socket.once("session", (session: Buffer) => {
      resolve(session);
      socket.destroy();
    });
    // Read, or else nothing behind the handshake is.
    socket.resume();
    socket.write(upgradeRequest({ host: HOST, port: place.port, token }), "latin1");
  });
}

function open({ port, ca, session }: HandshakePlace, onOpen: () => void): Socket {
  if (ca === undefined) return connectPlain({ host: HOST, port }, onOpen);
  return connectSecurely({ host: HOST, port, ca, ...(session && { session }) }, onOpen);
}
