import {
  type DownFrame,
  REFUSALS,
  type RefusalStatus,
  type WelcomeFrame,
  nextAfterClose,
} from "@millrace/schemas";
import { Backoff } from "./backoff.ts";
import { Connection, type Ending } from "./connection.ts";
import type { CancellableTimer, Environment } from "./environment.ts";
import { MillraceError } from "./errors.ts";
import { type Asked, type Refusal, askRefusal } from "./refusal.ts";

/** What the application is told of the line. */
export type ClientState =
  | { readonly kind: "connecting" }
  | { readonly kind: "ready"; readonly edge: string; readonly user: string }
  | { readonly kind: "waiting"; readonly retryInMs: number; readonly why: MillraceError }
  /** For good. */
  | { readonly kind: "stopped"; readonly why: MillraceError };

export interface LinkListener {
  onState(state: ClientState): void;
  onReady(connection: Connection, welcome: WelcomeFrame): void;
  onFrame(frame: DownFrame): void;
  /** What was sent and not answered has an unknown fate. */
  onLost(ending: Ending): void;
}

export interface LinkOptions {
  readonly urls: readonly string[];
  readonly token: () => string | Promise<string>;
  readonly device: string | undefined;
  readonly environment: Environment;
  readonly listener: LinkListener;
}

const OPENING_MS = 5_000;
const OPENING_LONGEST_MS = 30_000;
const BACK_OFF_MS = 10_000;
/** A token that is refused again and again is asked for a few times a minute only. */
const TOKEN_PAUSE_MS = 1_000;
const TOKEN_PAUSE_LONGEST_MS = 15_000;
const CLOSED_TOO_LARGE = 1009;
/** After so many attempts that the server itself failed, the session they named is given up. */
const SESSION_TRIES = 5;
const SERVER_FAILURE = 500;
const CLOSED_INTERNAL = 4500;

/**
 * Keeps one connection to any of the edges. Two attempts never overlap; each asks for a token of
 * its own. After `goaway` the old connection works on until the new one has spoken.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #backoff: Backoff;
  #current: Connection | undefined;
  #attempt: Connection | undefined;
  #timer: CancellableTimer | undefined;
  #readyAtMs = 0;
  #urlIndex: number;
  #session: { readonly id: string; attempt: number } | undefined;
  #tokensRefused = 0;
  /** Attempts in a row that named the session and failed on the server's side. */
  #sessionFailures = 0;
  /** From the plan of an attempt to its outcome: a second one waits for that. */
  #isReconnecting = true;
  #isEnded = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { random } = options.environment;
    this.#backoff = new Backoff(random);
    this.#urlIndex = Math.floor(random() * options.urls.length);
    void this.#connect();
  }

  close(): void {
    this.#isEnded = true;
    this.#timer?.cancel();
    this.#attempt?.close();
    this.#current?.close();
    this.#attempt = undefined;
    this.#current = undefined;
  }

  /** Never rejects. */
  async #connect(): Promise<void> {
    const { environment, listener } = this.#options;
    if (this.#current === undefined) listener.onState({ kind: "connecting" });
    let token: string;
    try {
      token = await this.#options.token();
    } catch (cause) {
      const why = new MillraceError("no token was given", { code: "bad-token", cause });
      return this.#again(this.#backoff.nextMs(), why);
    }
    if (this.#isEnded) return;
    const url = this.#nextUrl();
    try {
      this.#attempt = new Connection({
        environment,
        url,
        token,
        openingMs: Math.min(OPENING_LONGEST_MS, OPENING_MS * 2 ** this.#backoff.attempts),
        listener: {
          onReady: (connection, welcome) => this.#ready(connection, welcome),
          onFrame: (connection, frame) => this.#take(connection, frame),
          onEnd: (connection, ending) => void this.#ended(connection, ending, { url, token }),
        },
      });
    } catch (cause) {
      // The URL or the token can't be spelled in a handshake: so it will be next time.
      this.#stop(new MillraceError("the connection can't be opened", { code: "stopped", cause }));
    }
  }

  #nextUrl(): string {
    const { urls, device } = this.#options;
    const url = new URL(urls[this.#urlIndex % urls.length] ?? "");
    this.#urlIndex += 1;
    if (device !== undefined) url.searchParams.set("device", device);
    if (this.#session !== undefined) {
      this.#session.attempt += 1;
      url.searchParams.set("session", this.#session.id);
      url.searchParams.set("attempt", String(this.#session.attempt));
    }
    return url.href;
  }

  #ready(connection: Connection, welcome: WelcomeFrame): void {
    const { environment, listener } = this.#options;
    // The old connection, if it still works, ends here: nothing of it is heard from now on.
    this.#current?.close();
    this.#current = connection;
    this.#attempt = undefined;
    this.#isReconnecting = false;
    this.#readyAtMs = environment.clock.nowMs();
    this.#tokensRefused = 0;
    this.#sessionFailures = 0;
    if (this.#session?.id !== welcome.session) this.#session = { id: welcome.session, attempt: 0 };
    listener.onReady(connection, welcome);
    listener.onState({ kind: "ready", edge: welcome.edge, user: welcome.user });
  }

  #take(connection: Connection, frame: DownFrame): void {
    if (connection !== this.#current) return;
    if (frame.t === "goaway") this.#moveAway(frame.afterMs);
    else this.#options.listener.onFrame(frame);
  }

  #moveAway(afterMs: number): void {
    if (!this.#isReconnecting) this.#later(afterMs);
  }

  async #ended(
    connection: Connection,
    ending: Ending,
    request: { readonly url: string; readonly token: string },
  ): Promise<void> {
    const { environment, listener } = this.#options;
    if (connection === this.#current) {
      this.#current = undefined;
      this.#backoff.ended(environment.clock.nowMs() - this.#readyAtMs);
      listener.onLost(ending);
      // After goaway the next one is on its way already.
      if (!this.#isReconnecting) this.#afterEnding(ending);
      return;
    }
    this.#attempt = undefined;
    const wasRefused = ending.kind === "closed" && !ending.wasReady && ending.code < 4000;
    const asked = wasRefused ? await askRefusal(environment, request) : undefined;
    if (this.#isEnded) return;
    const refusal = asked?.kind === "refused" ? asked.refusal : undefined;
    this.#judgeSession(ending, refusal);
    if (refusal !== undefined) this.#afterRefusal(refusal);
    else this.#afterEnding(ending, attemptError(ending, asked, request.url));
  }

  /** It may be the session that the server fails over: positions are known without it. */
  #judgeSession(ending: Ending, refusal: Refusal | undefined): void {
    const isClosedSo = ending.kind === "closed" && ending.code >= CLOSED_INTERNAL;
    const isServers = isClosedSo || (refusal?.status ?? 0) >= SERVER_FAILURE;
    if (this.#session === undefined || !isServers) return;
    this.#sessionFailures += 1;
    if (this.#sessionFailures < SESSION_TRIES) return;
    this.#session = undefined;
    this.#sessionFailures = 0;
  }

  #afterEnding(ending: Ending, why = endingError(ending)): void {
    const delayMs = this.#backoff.nextMs();
    if (ending.kind === "broken") return this.#again(delayMs, why);
    const { code } = ending;
    // A 1000 that nobody here asked for comes from something in between.
    const next = code === 1000 ? "reconnect" : nextAfterClose(code);
    if (next === "stop") return this.#stop(stopError(`the server closed with ${code}`));
    this.#again(next === "back-off" ? BACK_OFF_MS + delayMs : delayMs, why);
  }

  #afterRefusal({ status, message, retryAfterMs = 0 }: Refusal): void {
    const what = `the server refused the connection: ${status} ${message}`.trim();
    const delayMs = this.#backoff.nextMs();
    const next = REFUSALS[status as RefusalStatus]?.next ?? "back-off";
    if (next === "stop") return this.#stop(stopError(what));
    if (next !== "new-token") return this.#again(retryAfterMs + delayMs, lostError(what));
    const pauseMs = Math.min(TOKEN_PAUSE_LONGEST_MS, TOKEN_PAUSE_MS * 2 ** this.#tokensRefused++);
    const why = new MillraceError(what, { code: "bad-token", isRetryable: true });
    this.#again(pauseMs + delayMs, why);
  }

  #again(delayMs: number, why: MillraceError): void {
    if (this.#isEnded) return;
    this.#later(delayMs);
    if (this.#current === undefined) {
      this.#options.listener.onState({ kind: "waiting", retryInMs: delayMs, why });
    }
  }

  #later(delayMs: number): void {
    this.#isReconnecting = true;
    this.#timer = this.#options.environment.clock.after(delayMs, () => void this.#connect());
  }

  #stop(why: MillraceError): void {
    this.close();
    this.#options.listener.onState({ kind: "stopped", why });
  }
}

/** A frame beyond the server's limit was sent: it must not be sent again. */
export function isTooLarge(ending: Ending): boolean {
  return ending.kind === "closed" && ending.code === CLOSED_TOO_LARGE;
}

function endingError(ending: Ending): MillraceError {
  if (ending.kind === "broken") return lostError("the line is dead");
  return lostError(`the connection was closed with ${ending.code}`);
}

/** Of an attempt that came to nothing: whoever looks for the reason needs the address, too. */
function attemptError(ending: Ending, asked: Asked | undefined, url: string): MillraceError {
  // Without the query: it names the session.
  const { origin, pathname } = new URL(url);
  const address = `${origin}${pathname}`;
  if (ending.kind === "broken") return lostError(`no edge answers at ${address}`);
  if (asked?.kind !== "unanswered") return endingError(ending);
  return lostError(`${address} can't be reached`, asked.cause);
}

function lostError(message: string, cause?: unknown): MillraceError {
  return new MillraceError(message, { code: "unavailable", isRetryable: true, cause });
}

function stopError(message: string): MillraceError {
  return new MillraceError(message, { code: "stopped" });
}
