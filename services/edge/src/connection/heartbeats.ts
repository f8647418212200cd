import type { Clock, Timer } from "@millrace/runtime";

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

/** One line under watch. */
export interface Pulse {
  /** Anything has come from the peer. */
  heard(): void;
  /** The answer to a ping: the peer has read all that was sent before it. */
  answered(): void;
  /** The kernel has taken bytes: the peer reads, or did until a moment ago. */
  drained(): void;
  end(): void;
}

interface Watched {
  readonly line: Line;
  aliveAtMs: number;
  pingedAtMs: number;
  /** Since it was last heard bytes have waited for it: so may the ping, in our buffer or the kernel's. */
  isLagging: boolean;
  /** All that was sent, when it was last pinged, and how much of it since the ping before. */
  sentAtPing: number;
  burstBytes: number;
  /** Such a burst it has read within an interval. */
  usualBytes: number;
  unanswered: number;
  /** So many answers are still to come before that to the ping behind a larger burst. */
  answersToBurst: number;
  slot: Set<Watched>;
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
 * A wheel of slots with one timer for all: a line stands in the slot of its next duty (a ping, or
 * the end of the patience with it), and hearing from it moves nothing, it is only noted. So a quiet
 * line is touched once an interval, and one that talks costs no more. Only the monotonic clock
 * counts. A slow peer reads a ping only after all that was sent before it, and the kernel may have taken
 * megabytes of that at once: after such a burst, the patience of a lagging line holds until the ping
 * behind it is answered. An edge that was held back (a stopped process, a blocked loop) finds every line silent
 * for too long; therefore, a late tick ends nobody before one interval has passed again.
 */
export class Heartbeats {
  readonly #clock: Clock;
  readonly #pingMs: number;
  readonly #laggingPatienceMs: number;
  readonly #tickMs: number;
  readonly #slots: Set<Watched>[];
  #tick = 0;
  #count = 0;
  #timer: Timer | undefined;
  #blindUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly clock: Clock;
    readonly pingMs: number;
    readonly laggingPatienceMs: number;
  }) {
    const { clock, pingMs, laggingPatienceMs } = options;
    this.#clock = clock;
    this.#pingMs = pingMs;
    this.#laggingPatienceMs = laggingPatienceMs;
    this.#tickMs = Math.max(TICK_MS_MIN, pingMs / TICKS_PER_INTERVAL);
    // No duty is further ahead than one interval, and never in the slot that is being emptied.
    const slots = Math.ceil(pingMs / this.#tickMs) + 2;
    this.#slots = Array.from({ length: slots }, () => new Set<Watched>());
  }

  /** How many lines are under watch. */
  get size(): number {
    return this.#count;
  }

  watch(line: Line): Pulse {
    const nowMs = this.#clock.nowMs();
    if (this.#timer === undefined) this.#start(nowMs);
    const watched: Watched = {
      line,
      aliveAtMs: nowMs,
      pingedAtMs: nowMs,
      isLagging: false,
      sentAtPing: line.sentBytes(),
      burstBytes: 0,
      usualBytes: 0,
      unanswered: 0,
      answersToBurst: 0,
      slot: this.#slotAt(nowMs + this.#pingMs),
    };
    watched.slot.add(watched);
    this.#count += 1;
    return {
      heard: () => {
        watched.aliveAtMs = this.#clock.nowMs();
        watched.isLagging = false;
      },
      answered: () => this.#answered(watched),
      drained: () => {
        watched.aliveAtMs = this.#clock.nowMs();
        watched.isLagging = true;
      },
      end: () => this.#remove(watched),
    };
  }

  #start(nowMs: number): void {
    this.#tick = Math.floor(nowMs / this.#tickMs);
    this.#timer = this.#clock.after(this.#tickMs, () => this.#run());
  }

  #run(): void {
    const nowMs = this.#clock.nowMs();
    const isLate = nowMs - (this.#tick + 1) * this.#tickMs > Math.min(LATE_MS, this.#pingMs / 2);
    if (isLate) this.#blindUntilMs = nowMs + this.#pingMs;
    const now = Math.floor(nowMs / this.#tickMs);
    // After a long stop one round of the wheel is all there is.
    const first = Math.max(this.#tick + 1, now - this.#slots.length + 1);
    for (let tick = first; tick <= now; tick++) this.#visit(tick, nowMs);
    this.#tick = now;
    this.#timer = this.#clock.after((now + 1) * this.#tickMs - nowMs, () => this.#run());
    if (this.#count === 0) this.#stop();
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #visit(tick: number, nowMs: number): void {
    const index = tick % this.#slots.length;
    const due = this.#slots[index];
    if (due === undefined || due.size === 0) return;
    // What is put back may come to this very place, and is not due a second time.
    this.#slots[index] = new Set();
    for (const watched of due) this.#examine(watched, nowMs);
  }

  #examine(watched: Watched, nowMs: number): void {
    const { line } = watched;
    if (line.bufferedBytes() > 0) watched.isLagging = true;
    const patienceMs = this.#patienceMs(watched);
    if (nowMs - watched.aliveAtMs >= patienceMs && nowMs >= this.#blindUntilMs) {
      this.#remove(watched);
      return line.onSilence();
    }
    if (nowMs - watched.pingedAtMs >= this.#pingMs) {
      watched.pingedAtMs = nowMs;
      measureBurst(watched);
      line.ping();
    }
    const verdictMs = Math.max(watched.aliveAtMs + patienceMs, this.#blindUntilMs);
    const dueMs = Math.min(watched.pingedAtMs + this.#pingMs, verdictMs);
    watched.slot.delete(watched);
    watched.slot = this.#slotAt(Math.max(dueMs, nowMs + this.#tickMs));
    watched.slot.add(watched);
  }

  #answered(watched: Watched): void {
    watched.aliveAtMs = this.#clock.nowMs();
    watched.isLagging = false;
    watched.unanswered = Math.max(0, watched.unanswered - 1);
    watched.answersToBurst = Math.max(0, watched.answersToBurst - 1);
    if (watched.unanswered === 0) watched.usualBytes = watched.burstBytes;
  }

  #patienceMs({ isLagging, answersToBurst }: Watched): number {
    const patienceMs = 2 * this.#pingMs;
    return isLagging || answersToBurst > 0
      ? Math.max(this.#laggingPatienceMs, patienceMs)
      : patienceMs;
  }

  /** The first tick that is not before that time. */
  #slotAt(atMs: number): Set<Watched> {
    const slot = this.#slots[Math.ceil(atMs / this.#tickMs) % this.#slots.length];
    if (slot === undefined) throw new RangeError("a slot outside the wheel");
    return slot;
  }

  #remove(watched: Watched): void {
    if (!watched.slot.delete(watched)) return;
    this.#count -= 1;
    if (this.#count === 0) this.#stop();
  }
}

/** Before each ping: what the peer has to read until it sees it. */
function measureBurst(watched: Watched): void {
  const sentBytes = watched.line.sentBytes();
  watched.burstBytes = sentBytes - watched.sentAtPing;
  watched.sentAtPing = sentBytes;
  watched.unanswered += 1;
  const usual = Math.max(BURST_BYTES_MIN, BURST_FACTOR * watched.usualBytes);
  if (watched.burstBytes > usual) watched.answersToBurst = watched.unanswered;
}
