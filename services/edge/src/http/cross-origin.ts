import type { Admission } from "../admission/admission.ts";
import type { HttpAnswer, HttpExchange } from "./http-exchange.ts";

const MAX_AGE_S = "600";
const REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key";
const EXPOSED = "WWW-Authenticate, Retry-After";

/**
 * What lets a page of an allowed origin read an answer (the Fetch standard's CORS protocol). The
 * origin is named exactly, so a cache must not hand the answer to a page of another one.
 */
export function crossOriginHeaders(
  { headers }: HttpExchange,
  admission: Admission,
): Record<string, string> {
  const origins = headers.get("origin");
  const [origin] = origins ?? [];
  const vary = { Vary: "Origin" };
  if (origin === undefined || !admission.allows(origins)) return vary;
  return {
    ...vary,
    "Access-Control-Allow-Origin": origin,
    "Access-Control-Expose-Headers": EXPOSED,
  };
}

export function preflightAnswer(methods: readonly string[]): HttpAnswer {
  const allowed = [...methods, "OPTIONS"].join(", ");
  return {
    status: 204,
    headers: {
      Allow: allowed,
      "Access-Control-Allow-Methods": allowed,
      "Access-Control-Allow-Headers": REQUEST_HEADERS,
      "Access-Control-Max-Age": MAX_AGE_S,
    },
  };
}
