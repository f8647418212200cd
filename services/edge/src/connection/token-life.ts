import type { Clock } from "@millrace/runtime";
import { TOKEN_LEEWAY_MS } from "@millrace/runtime/tokens";
import { type Alarm, Wheel } from "./wheel.ts";

const WARNING_MS = 60_000;

/** A turn is a minute; what ends later is looked at once in each. */
const TICK_MS = 250;
const SLOTS = 240;

/** Whoever came with the token. */
export interface TokenHolder {
  onExpiring(inMs: number): void;
  onExpired(): void;
}

/** The ends of all tokens of an edge, by one timer. */
export class TokenLives {
  readonly clock: Clock;
  readonly wheel: Wheel;

  constructor(clock: Clock) {
    this.clock = clock;
    this.wheel = new Wheel({ clock, tickMs: TICK_MS, slots: SLOTS });
  }
}

/**
 * The end of a connection's token: a warning a minute before (at once where less is left), then
 * the end. What is left is taken from the wall clock once; from then on only the monotonic clock
 * counts, so that a jump of the wall clock ends nobody's connection.
 */
export class TokenLife implements Alarm {
  slot: Set<Alarm> | undefined;
  dueAtMs = 0;
  readonly #lives: TokenLives;
  readonly #holder: TokenHolder;
  #endsAtMs = 0;
  #isWarned = false;

  constructor(lives: TokenLives, holder: TokenHolder) {
    this.#lives = lives;
    this.#holder = holder;
  }

  /** Also for the token that takes the place of the one before. */
  begin(expiresAtMs: number): void {
    const { clock, wheel } = this.#lives;
    const nowMs = clock.nowMs();
    const leftMs = Math.max(0, expiresAtMs - clock.wallMs());
    this.#isWarned = false;
    this.#endsAtMs = nowMs + leftMs + TOKEN_LEEWAY_MS;
    wheel.set(this, nowMs + Math.max(0, leftMs - WARNING_MS));
    // The wheel would be up to a tick late, and with the end of this turn `welcome` has been said.
    if (leftMs <= WARNING_MS) clock.endOfTurn(() => this.#warnAtOnce());
  }

  end(): void {
    this.#lives.wheel.cancel(this);
  }

  #warnAtOnce(): void {
    if (this.slot !== undefined && !this.#isWarned) this.ring(this.#lives.clock.nowMs());
  }

  ring(nowMs: number): void {
    if (this.#isWarned || nowMs >= this.#endsAtMs) return this.#holder.onExpired();
    this.#isWarned = true;
    this.#lives.wheel.set(this, this.#endsAtMs);
    const leftMs = this.#endsAtMs - TOKEN_LEEWAY_MS - nowMs;
    this.#holder.onExpiring(Math.max(0, Math.round(leftMs)));
  }
}
