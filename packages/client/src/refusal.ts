import type { Environment } from "./environment.ts";

/** What the server said instead of the 101. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

const ASK_MS = 5_000;

/**
 * A browser never tells the status of a refused upgrade. The same URL without an upgrade answers
 * the same one, and takes nothing (docs/protocol.md §1). Undefined when nobody answers, or when the
 * upgrade would be accepted by now: both are a matter of trying again.
 */
export async function askRefusal(
  { fetch, clock }: Environment,
  request: { readonly url: string; readonly token: string },
): Promise<Refusal | undefined> {
  const abort = new AbortController();
  const timer = clock.after(ASK_MS, () => abort.abort());
  try {
    const response = await fetch(questionOf(request.url), {
      headers: { authorization: `Bearer ${request.token}` },
      signal: abort.signal,
      redirect: "error",
    });
    const text = await response.text();
    if (response.status < 400) return undefined;
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    const retryAfterMs = seconds >= 0 ? seconds * 1000 : undefined;
    return { status: response.status, message: messageIn(text), retryAfterMs };
  } catch {
    // Nobody there, or a page of a foreign origin: the network is the best guess.
    return undefined;
  } finally {
    timer.cancel();
  }
}

/**
 * The attempt is named as the next one will be: an edge may have taken this one, and the line broke
 * before it could say so. Asked for the same number, any other edge calls it replaced, by itself.
 */
function questionOf(requested: string): string {
  const url = new URL(requested.replace(/^ws/, "http"));
  const attempt = url.searchParams.get("attempt");
  if (attempt !== null) url.searchParams.set("attempt", String(Number(attempt) + 1));
  return url.href;
}

function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === "string" ? message : "";
  } catch {
    // Answered by something before the edge, which speaks HTML.
    return "";
  }
}
