import { existsSync } from "node:fs";
import { type RequestOptions, request } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";

const ANSWER_MS = 2_000;

/** Where Docker and its likes listen when `DOCKER_HOST` does not say it. */
const SOCKETS = ["/var/run/docker.sock", join(homedir(), ".docker", "run", "docker.sock")];

/** A container engine answers there: asked cheaply, before its client library is even loaded. */
export async function isContainerEngineThere(dockerHost?: string): Promise<boolean> {
  const place = placeOf(dockerHost);
  return place !== undefined && answersPing(place);
}

function placeOf(dockerHost = ""): RequestOptions | undefined {
  if (dockerHost === "") {
    const socketPath = SOCKETS.find((socket) => existsSync(socket));
    return socketPath === undefined ? undefined : { socketPath };
  }
  if (!URL.canParse(dockerHost)) return undefined;
  const { protocol, hostname, port, pathname } = new URL(dockerHost);
  if (protocol === "unix:") return { socketPath: pathname };
  // An engine behind TLS or SSH is not asked for here; it can be made local by a socket.
  return protocol === "tcp:" || protocol === "http:" ? { hostname, port } : undefined;
}

/** `GET /_ping` of the Docker Engine API. */
function answersPing(place: RequestOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const ping = request({ ...place, path: "/_ping", timeout: ANSWER_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.once("timeout", () => ping.destroy());
    ping.once("error", () => resolve(false));
    ping.once("close", () => resolve(false));
    ping.end();
  });
}
