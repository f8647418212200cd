import type { Clock, Timer } from "@millrace/runtime";

/** Something that falls due; it stands in one wheel at most, which alone sets these two. */
export interface Alarm {
  /** Where it stands; undefined: nowhere. */
  slot: Set<Alarm> | undefined;
  dueAtMs: number;
  ring(nowMs: number): void;
}

export interface WheelOptions {
  readonly clock: Clock;
  /** An alarm rings at most that late, and never early. */
  readonly tickMs: number;
  readonly slots: number;
  /** The wheel was held back by so much: before the alarms that were due meanwhile. */
  readonly onTurn?: (lateMs: number, nowMs: number) => void;
}

/**
 * Alarms of thousands of connections by one timer, and by none while there is no alarm. An alarm
 * stands in the slot of its tick, and is looked at once in each turn of the wheel until it is due: it
 * costs a place in a set, and nothing else.
 * Only the monotonic clock counts. After a long stop one turn is all there is: every alarm that
 * fell due meanwhile rings, once.
 */
export class Wheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #onTurn: WheelOptions["onTurn"];
  readonly #slots: Set<Alarm>[];
  /** The last tick whose slot was emptied. */
  #tick = 0;
  #count = 0;
  #timer: Timer | undefined;

  constructor({ clock, tickMs, slots, onTurn }: WheelOptions) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#onTurn = onTurn;
    this.#slots = Array.from({ length: slots }, () => new Set<Alarm>());
  }

  /** How many alarms are set. */
  get size(): number {
    return this.#count;
  }

  /** An alarm that is set already is moved. */
  set(alarm: Alarm, atMs: number): void {
    this.cancel(alarm);
    if (this.#timer === undefined) this.#start();
    alarm.dueAtMs = atMs;
    this.#count += 1;
    this.#place(alarm);
  }

  cancel(alarm: Alarm): void {
    if (alarm.slot === undefined) return;
    alarm.slot.delete(alarm);
    alarm.slot = undefined;
    this.#count -= 1;
  }

  #place(alarm: Alarm): void {
    const tick = Math.max(Math.ceil(alarm.dueAtMs / this.#tickMs), this.#tick + 1);
    const slot = this.#slots[tick % this.#slots.length];
    if (slot === undefined) throw new RangeError("a slot outside the wheel");
    alarm.slot = slot;
    slot.add(alarm);
  }

  #start(): void {
    const nowMs = this.#clock.nowMs();
    this.#tick = Math.floor(nowMs / this.#tickMs);
    this.#wait(nowMs);
  }

  #wait(nowMs: number): void {
    const nextMs = (this.#tick + 1) * this.#tickMs;
    this.#timer = this.#clock.after(nextMs - nowMs, () => this.#run());
  }

  #run(): void {
    // Without alarms it ends here, and not with the last of them: alarms come and go.
    if (this.#count === 0) {
      this.#timer = undefined;
      return;
    }
    const nowMs = this.#clock.nowMs();
    const now = Math.floor(nowMs / this.#tickMs);
    const first = Math.max(this.#tick + 1, now - this.#slots.length + 1);
    this.#onTurn?.(nowMs - (this.#tick + 1) * this.#tickMs, nowMs);
    this.#tick = now;
    for (let tick = first; tick <= now; tick++) this.#visit(tick % this.#slots.length, nowMs);
    this.#wait(nowMs);
  }

  #visit(index: number, nowMs: number): void {
    const due = this.#slots[index];
    if (due === undefined || due.size === 0) return;
    // What is put back may come to this very place, and is not due a second time.
    this.#slots[index] = new Set();
    for (const alarm of due) {
      if (alarm.dueAtMs > nowMs) {
        this.#place(alarm);
        continue;
      }
      this.cancel(alarm);
      alarm.ring(nowMs);
    }
  }
}
