import type { AuditView, PartitionView, StatusView } from "../src/api/views.ts";
import { EventStreamReader, type StreamEvent } from "./event-stream.ts";

export interface FeedListener {
  status(status: StatusView): void;
  partitions(partitions: readonly PartitionView[]): void;
  audit(entry: AuditView): void;
  /** `refused`: the token is not accepted, and nothing is tried again. */
  link(state: "open" | "lost" | "refused", why?: string): void;
}

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;

/** Follows `GET /v1/events` until the signal, through every break of the line. Never rejects. */
export async function followFeed(
  token: string,
  listener: FeedListener,
  signal: AbortSignal,
): Promise<void> {
  let retryMs = RETRY_MS_MIN;
  while (!signal.aborted) {
    const outcome = await readFeed(token, listener, signal);
    if (signal.aborted) return;
    if (outcome.kind === "refused") return listener.link("refused", outcome.why);
    if (outcome.hasBegun) retryMs = RETRY_MS_MIN;
    listener.link("lost", outcome.why);
    await pause(retryMs, signal);
    retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
  }
}

type Outcome =
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "lost"; readonly why: string; readonly hasBegun: boolean };

async function readFeed(
  token: string,
  listener: FeedListener,
  signal: AbortSignal,
): Promise<Outcome> {
  let hasBegun = false;
  try {
    const headers = { Authorization: `Bearer ${token}` };
    const response = await fetch("/v1/events", { headers, signal });
    if (response.status === 401 || response.status === 403) {
      return { kind: "refused", why: await messageIn(response) };
    }
    if (!response.ok || response.body === null) {
      return { kind: "lost", why: await messageIn(response), hasBegun };
    }
    hasBegun = true;
    listener.link("open");
    for await (const event of eventsIn(response.body)) {
      if (event.event === "expired") return { kind: "refused", why: "the token has expired" };
      tell(event, listener);
    }
    return { kind: "lost", why: "control has ended the stream", hasBegun };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return { kind: "lost", why: `control can't be reached (${why})`, hasBegun };
  }
}

async function* eventsIn(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const reader = new EventStreamReader();
  const decoder = new TextDecoder();
  // Not every browser can iterate a stream.
  const source = body.getReader();
  try {
    for (;;) {
      const { done, value } = await source.read();
      if (done) return;
      yield* reader.take(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Whoever stops listening hangs up; a stream that has failed can't be cancelled, and needs not.
    await source.cancel().catch(() => undefined);
  }
}

function tell({ event, data }: StreamEvent, listener: FeedListener): void {
  const told: unknown = JSON.parse(data);
  if (event === "status") listener.status(told as StatusView);
  else if (event === "audit") listener.audit(told as AuditView);
  else if (event === "partitions") {
    listener.partitions((told as { readonly partitions: readonly PartitionView[] }).partitions);
  }
}

async function messageIn(response: Response): Promise<string> {
  try {
    const { message } = (await response.json()) as { readonly message?: string };
    return message ?? `status ${response.status}`;
  } catch {
    // Not from control: a proxy in between has answered.
    return `status ${response.status}`;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
