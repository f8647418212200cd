import type { Clock } from "@millrace/runtime";
import { type Alarm, Wheel } from "./wheel.ts";

/** The line whose life is watched. */
export interface Line {
  ping(): void;
  /** Bytes that the kernel has not taken yet: a ping waits behind them. */
  bufferedBytes(): number;
  /** All that was ever sent on it: the kernel may still hold megabytes of it. */
  sentBytes(): number;
  /** Nobody seems to be there any more. */
  onSilence(): void;
}

/** What all lines of an edge share. */
interface Watch {
  readonly clock: Clock;
  readonly pingMs: number;
  readonly laggingPatienceMs: number;
  readonly tickMs: number;
  readonly wheel: Wheel;
  blindUntilMs: number;
}

/** Each interval is cut into so many ticks: a verdict is at most that part of it late. */
const TICKS_PER_INTERVAL = 64;
const TICK_MS_MIN = 5;

/** A burst that no line is asked twice about; at 1 kB/s it is read within an interval. */
const BURST_BYTES_MIN = 16_384;
/** More than so many times what is usual is a burst that a slow peer may need long for. */
const BURST_FACTOR = 2;

/** A tick that is later than this was held back here, and the answers are still unread. */
const LATE_MS = 1_000;

/**
 * Pings every line once an interval, and finds those on which nothing was received and nothing
 * drained for two: docs/protocol.md §8. The WebSocket library's own time-outs know multiples of four
 * seconds from eight on, and send their pings just before they give up; so this is our own.
 *
 * A line stands in the wheel at its next duty (a ping, or the end of the patience with it), and
 * hearing from it moves nothing, it is only noted. So a quiet line is touched once an interval, and
 * one that talks costs no more. Only the monotonic clock counts. A slow peer reads a ping only after
 * all that was sent before it, and the kernel may have taken megabytes of that at once: after such a
 * burst, the patience with a lagging line holds until the ping behind it is answered. An edge that was held back (a
 * stopped process, a blocked loop) finds every line silent for too long; therefore, a late tick ends
 * nobody before one interval has passed again.
 */
export class Heartbeats {
  readonly #watch: Watch;

  constructor(options: {
    readonly clock: Clock;
    readonly pingMs: number;
    readonly laggingPatienceMs: number;
  }) {
    const { clock, pingMs, laggingPatienceMs } = options;
    const tickMs = Math.max(TICK_MS_MIN, pingMs / TICKS_PER_INTERVAL);
    // No duty is further ahead than one interval.
    const slots = Math.ceil(pingMs / tickMs) + 2;
    const lateMsMax = Math.min(LATE_MS, pingMs / 2);
    const onTurn = (lateMs: number, nowMs: number): void => {
      if (lateMs > lateMsMax) this.#watch.blindUntilMs = nowMs + pingMs;
    };
    const wheel = new Wheel({ clock, tickMs, slots, onTurn });
    const blindUntilMs = Number.NEGATIVE_INFINITY;
    this.#watch = { clock, pingMs, laggingPatienceMs, tickMs, wheel, blindUntilMs };
  }

  /** How many lines are under watch. */
  get size(): number {
    return this.#watch.wheel.size;
  }

  watch(line: Line): Pulse {
    return new Pulse(line, this.#watch);
  }
}

/** One line under watch. */
export class Pulse implements Alarm {
  slot: Set<Alarm> | undefined;
  dueAtMs = 0;
  readonly #line: Line;
  readonly #watch: Watch;
  #aliveAtMs: number;
  #pingedAtMs: number;
  /** Since it was last heard bytes have waited for it: so may the ping, in our buffer or the kernel's. */
  #isLagging = false;
  /** All that was sent when it was last pinged, and how much of it since the ping before. */
  #sentAtPing = 0;
  #burstBytes = 0;
  /** Such a burst it has read within an interval. */
  #usualBytes = 0;
  #unanswered = 0;
  /** So many answers are still to come before that to the ping behind a larger burst. */
  #answersToBurst = 0;

  constructor(line: Line, watch: Watch) {
    const { clock, wheel, pingMs } = watch;
    const nowMs = clock.nowMs();
    this.#line = line;
    this.#watch = watch;
    this.#aliveAtMs = nowMs;
    this.#pingedAtMs = nowMs;
    wheel.set(this, nowMs + pingMs);
  }

  /** How long ago anything came from the peer, or was taken by it. */
  get quietMs(): number {
    return this.#watch.clock.nowMs() - this.#aliveAtMs;
  }

  /** Anything has come from the peer. */
  heard(): void {
    this.#aliveAtMs = this.#watch.clock.nowMs();
    this.#isLagging = false;
  }

  /** The answer to a ping: the peer has read all that was sent before it. */
  answered(): void {
    this.heard();
    this.#unanswered = Math.max(0, this.#unanswered - 1);
    this.#answersToBurst = Math.max(0, this.#answersToBurst - 1);
    if (this.#unanswered === 0) this.#usualBytes = this.#burstBytes;
  }

  /** The kernel has taken bytes: the peer reads, or did until a moment ago. */
  drained(): void {
    this.#aliveAtMs = this.#watch.clock.nowMs();
    this.#isLagging = true;
  }

  end(): void {
    this.#watch.wheel.cancel(this);
  }

  ring(nowMs: number): void {
    const { wheel, pingMs, tickMs, blindUntilMs } = this.#watch;
    if (this.#line.bufferedBytes() > 0) this.#isLagging = true;
    const silentAtMs = this.#aliveAtMs + this.#patienceMs;
    if (nowMs >= silentAtMs && nowMs >= blindUntilMs) return this.#line.onSilence();
    // First its next duty: the ping may find that the line has ended.
    const isPingDue = nowMs - this.#pingedAtMs >= pingMs;
    if (isPingDue) this.#pingedAtMs = nowMs;
    const dueMs = Math.min(this.#pingedAtMs + pingMs, Math.max(silentAtMs, blindUntilMs));
    wheel.set(this, Math.max(dueMs, nowMs + tickMs));
    if (!isPingDue) return;
    this.#measureBurst();
    this.#line.ping();
  }

  /** Before each ping: what the peer has to read until it sees it. */
  #measureBurst(): void {
    const sentBytes = this.#line.sentBytes();
    this.#burstBytes = sentBytes - this.#sentAtPing;
    this.#sentAtPing = sentBytes;
    this.#unanswered += 1;
    const usualBytes = Math.max(BURST_BYTES_MIN, BURST_FACTOR * this.#usualBytes);
    if (this.#burstBytes > usualBytes) this.#answersToBurst = this.#unanswered;
  }

  get #patienceMs(): number {
    const { pingMs, laggingPatienceMs } = this.#watch;
    const isPatient = this.#isLagging || this.#answersToBurst > 0;
    return isPatient ? Math.max(laggingPatienceMs, 2 * pingMs) : 2 * pingMs;
  }
}
