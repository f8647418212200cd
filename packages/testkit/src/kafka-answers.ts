import { connect } from "node:net";

/** ApiVersions v0 (KIP-35): api key 18, version 0, correlation id 1, no client id. */
const API_VERSIONS_REQUEST = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);

const ANSWER_MS = 2_000;

/** A broker answers a request there, rather than only accepting the connection. */
export function answersKafka(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.setTimeout(ANSWER_MS, () => end(false));
    socket.once("connect", () => socket.write(API_VERSIONS_REQUEST));
    socket.once("data", () => end(true));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
  });
}
