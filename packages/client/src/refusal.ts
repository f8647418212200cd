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
    const response = await fetch(request.url.replace(/^ws/, "http"), {
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

function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === "string" ? message : "";
  } catch {
    // Answered by something before the edge, which speaks HTML.
    return "";
  }
}
