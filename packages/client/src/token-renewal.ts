import type { DownFrame } from "@millrace/schemas";
import { Backoff } from "./backoff.ts";
import type { CancellableTimer, Environment } from "./environment.ts";
import type { Wire } from "./wire.ts";

export interface TokenRenewalOptions {
  readonly wire: Wire;
  readonly environment: Environment;
  /** The application's, as for a new connection. */
  readonly token: () => string | Promise<string>;
}

/**
 * When, of the time that is left: spread, since many clients may have been given their tokens at
 * the same time, and early enough for several attempts. It also keeps a token that is short-lived
 * from being replaced at once by the next one.
 */
const FIRST_SHARE = { min: 0.1, max: 0.4 } as const;
const RETRY_SHARE = 0.25;
const PAUSE_MS_MIN = 250;

/**
 * Brings a new token before the old one ends, on the same connection (docs/protocol.md §8), so that
 * a long session has no seam. Where that never works, the server closes with 4451, and the next
 * connection asks for a token anyhow.
 */
export class TokenRenewal {
  readonly #options: TokenRenewalOptions;
  readonly #backoff: Backoff;
  #timer: CancellableTimer | undefined;
  #endsAtMs = 0;
  /** An attempt of an earlier number comes too late: there is another connection, or none. */
  #number = 0;

  constructor(options: TokenRenewalOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.environment.random);
  }

  /** The server has warned. */
  onExpiring(inMs: number): void {
    const { clock, random } = this.#options.environment;
    const { min, max } = FIRST_SHARE;
    this.#endsAtMs = clock.nowMs() + inMs;
    this.#later(inMs * (min + random() * (max - min)));
  }

  /** This connection is over, or the client is. */
  cancel(): void {
    this.#number += 1;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#backoff.reset();
  }

  #later(delayMs: number): void {
    this.#timer?.cancel();
    const number = ++this.#number;
    const pauseMs = Math.max(PAUSE_MS_MIN, delayMs);
    this.#timer = this.#options.environment.clock.after(pauseMs, () => void this.#attempt(number));
  }

  /** Never rejects. */
  async #attempt(number: number): Promise<void> {
    const { token: ask, wire } = this.#options;
    let token: string;
    try {
      token = await ask();
    } catch {
      // The application has no token at the moment; while the old one holds, nothing is lost.
      if (number === this.#number) this.#failed();
      return;
    }
    if (number !== this.#number || !wire.isUp) return;
    wire.request({ t: "auth", token }, (answer) => this.#answered(answer));
  }

  #answered(answer: DownFrame): void {
    // After `authd` the server will warn again.
    if (answer.t === "authd") this.#backoff.reset();
    else this.#failed(answer.t === "err" ? answer.retryMs : undefined);
  }

  #failed(retryMs = 0): void {
    const leftMs = this.#endsAtMs - this.#options.environment.clock.nowMs();
    const delayMs = Math.min(this.#backoff.nextMs(), leftMs * RETRY_SHARE);
    this.#later(Math.max(retryMs, delayMs));
  }
}
