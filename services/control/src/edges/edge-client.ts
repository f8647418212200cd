import { messageOf } from "@millrace/runtime";
import { LIMITS } from "../limits.ts";

export interface EdgeRequest {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: object;
}

/** What an edge has answered, or why it has not. */
export type EdgeAnswer =
  | { readonly kind: "answered"; readonly status: number; readonly json: unknown }
  | {
      readonly kind: "failed";
      readonly why: string;
      /** The edge was reached, or may have been: what was asked for may be done all the same. */
      readonly isUnknown?: boolean;
    };

export type EdgeClient = (
  address: string,
  token: string,
  request: EdgeRequest,
) => Promise<EdgeAnswer>;

/** One call of an edge's operators' port, with the operator's own token. Never rejects. */
export const askEdge: EdgeClient = async (address, token, { method, path, body }) => {
  const timeoutMs = method === "GET" ? LIMITS.edgeMs : LIMITS.orderMs;
  try {
    const response = await fetch(`http://${address}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      // The token is for whoever was named, and for nobody that they name.
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { kind: "answered", status: response.status, json: await jsonIn(response) };
  } catch (cause) {
    return { kind: "failed", why: whyFailed(cause, timeoutMs), isUnknown: !isUnsent(cause) };
  }
};

/** Nobody was reached, so nothing was asked of anybody. */
const UNSENT = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
]);

function isUnsent(error: unknown): boolean {
  const { cause } = error as { readonly cause?: { readonly code?: unknown } };
  return typeof cause?.code === "string" && UNSENT.has(cause.code);
}

/** Null where there is none, or none that can be read. */
async function jsonIn({ body }: Response): Promise<unknown> {
  if (body === null) return null;
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > LIMITS.edgeBytes)
      throw new Error(`it answers with more than ${LIMITS.edgeBytes} B`);
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString()) as unknown;
  } catch {
    // Whoever listens there is no edge, or has answered with nothing.
    return null;
  }
}

function whyFailed(cause: unknown, timeoutMs: number): string {
  if (cause instanceof Error && cause.name === "TimeoutError") {
    return `no answer within ${timeoutMs / 1_000} s`;
  }
  // Node's fetch hides the reason behind "fetch failed".
  const { cause: inner } = cause as { readonly cause?: unknown };
  return inner === undefined ? messageOf(cause) : messageOf(inner);
}
