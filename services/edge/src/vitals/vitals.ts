import type { Clock, Logger, Timer } from "@millrace/runtime";
import type { EdgeLimits } from "../limits.ts";
import type { EdgeMetrics } from "../metrics.ts";
import { DescriptorReserve } from "./descriptor-reserve.ts";
import type { ProcessProbe } from "./process-probe.ts";

/** What the process is short of. */
export type Shortage = "memory" | "descriptors" | "loop";

export interface VitalsOptions {
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly logger: Logger;
  readonly metrics: EdgeMetrics;
  readonly probe: ProcessProbe;
  /** What the process may take of the memory. */
  readonly memoryBytes: number;
  /** Whether newcomers are accepted at all. */
  readonly listen: (isListening: boolean) => boolean;
}

const LOOK_MS = 100;
const OVER_MS = 5_000;

/** So much of each look counts: one late turn is no overload, five of them are. */
const LATE_WEIGHT = 0.3;

/** What was short is enough again only a little below the bound, so that it does not flutter. */
const RELIEF = 0.95;

/**
 * Looks ten times a second at what the process may run out of, and says so before it does: whoever is
 * connected keeps what the newcomers don't get. Descriptors are counted for each newcomer besides,
 * because hundreds can come between two looks.
 */
export class Vitals {
  readonly #options: VitalsOptions;
  readonly #reserve: DescriptorReserve;
  #timer: Timer | undefined;
  #lookedAtMs: number;
  #lateMs = 0;
  #isShortOfMemory = false;
  #told: Shortage | undefined;
  #shortAtMs = 0;

  constructor(options: VitalsOptions) {
    this.#options = options;
    const { probe, limits, listen } = options;
    const { descriptorReserve: reserve } = limits;
    this.#reserve = new DescriptorReserve({ probe, reserve, listen });
    this.#lookedAtMs = options.clock.nowMs();
    this.#lookLater();
  }

  /** What newcomers are refused for, if anything. */
  get shortage(): Shortage | undefined {
    if (this.#isShortOfMemory) return "memory";
    if (this.#reserve.isTouched) return "descriptors";
    return this.#lateMs > this.#options.limits.loopLateMsMax ? "loop" : undefined;
  }

  /** Whether it is short of what only this edge has, and which won't come back within a moment. */
  get isShort(): boolean {
    return this.#isShortOfMemory || this.#reserve.isTouched;
  }

  /** Whether some descriptors are held open, for us alone. */
  get isHolding(): boolean {
    return this.#reserve.isHolding;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#reserve.release();
  }

  #lookLater(): void {
    this.#timer = this.#options.clock.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const nowMs = this.#options.clock.nowMs();
    const lateMs = Math.max(0, nowMs - this.#lookedAtMs - LOOK_MS);
    this.#lookedAtMs = nowMs;
    this.#lateMs += LATE_WEIGHT * (lateMs - this.#lateMs);
    // First what the second look may need itself.
    this.#reserve.look();
    this.#lookAtMemory();
    this.#tell(nowMs);
    this.#lookLater();
  }

  #lookAtMemory(): void {
    const { probe, limits, metrics, memoryBytes } = this.#options;
    const share = Math.max(probe.rssBytes() / memoryBytes, probe.heapShare());
    metrics.memoryShare.set(share);
    const bound = limits.memoryShareMax * (this.#isShortOfMemory ? RELIEF : 1);
    this.#isShortOfMemory = share >= bound;
  }

  /** Once for each time, however long it lasts; what is over for a moment only is not over. */
  #tell(nowMs: number): void {
    const { logger } = this.#options;
    const { shortage } = this;
    if (shortage !== undefined) {
      this.#shortAtMs = nowMs;
      if (shortage === this.#told) return;
      logger.warn({ shortage }, "newcomers are refused, so that nobody connected suffers");
      this.#told = shortage;
    } else if (this.#told !== undefined && nowMs - this.#shortAtMs >= OVER_MS) {
      logger.info({ was: this.#told }, "newcomers are let in again");
      this.#told = undefined;
    }
  }
}
