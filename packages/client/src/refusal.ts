import type { Environment } from "./environment.ts";

/** What the server said instead of the 101. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

const ASK_MS = 5_000;

/** What became of the question. Without a refusal it is a matter of trying again. */
export type Asked =
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** By now the upgrade would be accepted. */
  | { readonly kind: "open" }
  /** Nobody is there, or a page of a foreign origin may not know: `cause` is the platform's word. */
  | { readonly kind: "unanswered"; readonly cause: unknown };

/**
 * A browser never tells the status of a refused upgrade. The same URL without an upgrade answers
 * the same one, and takes nothing (docs/protocol.md §1). Never rejects.
 */
export async function askRefusal(
  { fetch, clock }: Environment,
  request: { readonly url: string; readonly token: string },
): Promise<Asked> {
  const abort = new AbortController();
  const timer = clock.after(ASK_MS, () => abort.abort());
  try {
    const response = await fetch(questionOf(request.url), {
      headers: { authorization: `Bearer ${request.token}` },
      signal: abort.signal,
      redirect: "error",
    });
    const text = await response.text();
    if (response.status < 400) return { kind: "open" };
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    const retryAfterMs = seconds >= 0 ? seconds * 1000 : undefined;
    const message = messageIn(text);
    return { kind: "refused", refusal: { status: response.status, message, retryAfterMs } };
  } catch (cause) {
    return { kind: "unanswered", cause };
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
