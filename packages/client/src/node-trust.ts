import { Agent, request } from "node:https";
import { WebSocket } from "ws";
import type { Environment, SocketConstructor } from "./environment.ts";

/** PEM of one authority or several. */
export type Authorities = string | readonly string[];

/**
 * Sockets and requests that trust these authorities instead of the system's. The agent remembers
 * the TLS sessions of both, so that who connects again needs no full handshake.
 */
export function trusting(authorities: Authorities): Pick<Environment, "webSocket" | "fetch"> {
  const ca = typeof authorities === "string" ? authorities : [...authorities];
  const agent = new Agent({ ca });
  // What `new` makes of a function that answers with an object is that object.
  function socket(url: string, protocols: string[]): WebSocket {
    return new WebSocket(url, protocols, url.startsWith("wss:") ? { agent } : {});
  }
  const webSocket = socket as unknown as SocketConstructor;
  const fetch: Environment["fetch"] = (url, init) =>
    url.startsWith("https:") ? askSecurely(agent, url, init) : globalThis.fetch(url, init);
  return { webSocket, fetch };
}

/** As much of `fetch`, which knows no authorities of ours, as the SDK uses: GET with headers. */
function askSecurely(
  agent: Agent,
  url: string,
  { headers, signal }: RequestInit,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const options = {
      agent,
      headers: Object.fromEntries(new Headers(headers)),
      ...(signal && { signal }),
    };
    const asking = request(url, options, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.once("error", reject).once("end", () => resolve(answerOf(response, body)));
    });
    asking.once("error", reject);
    asking.end();
  });
}

interface Answered {
  readonly statusCode?: number | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

function answerOf({ statusCode = 0, headers }: Answered, body: string): Response {
  const isEmpty = statusCode === 204 || statusCode === 304;
  const pairs = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  return new Response(isEmpty ? undefined : body, { status: statusCode, headers: pairs });
}
