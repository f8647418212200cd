import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Buckets, Histogram } from "./histogram.ts";
import { nowUs } from "./monotonic.ts";

/** What one load process saw since it was last asked. */
export interface LoadWindow {
  readonly seconds: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly received: number;
  readonly errors: number;
  readonly firstError: string | undefined;
  readonly brokenPrevs: number;
  readonly closes: number;
  /** µs from the intended time of a publish to its delivery. */
  readonly latency: Buckets;
  /** µs from the intended time of a publish to its `pubd`. */
  readonly acknowledgement: Buckets;
  /** µs by which this process sent later than it meant to. */
  readonly lateness: Buckets;
  readonly cpuSeconds: number;
  readonly loopDelayP99Ms: number;
}

const LOOP_RESOLUTION_MS = 5;

/** All that a load process counts; plain fields, for they change with every delivery. */
export class Tally {
  sent = 0;
  acknowledged = 0;
  received = 0;
  errors = 0;
  firstError: string | undefined;
  brokenPrevs = 0;
  closes = 0;
  readonly latency = new Histogram();
  readonly acknowledgement = new Histogram();
  readonly lateness = new Histogram();
  readonly #loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  #cpu = process.cpuUsage();
  #sinceUs = nowUs();

  constructor() {
    this.#loop.enable();
  }

  error(text: string): void {
    this.errors++;
    this.firstError ??= text;
  }

  /** Everything since the last time; counting begins anew. */
  take(): LoadWindow {
    const atUs = nowUs();
    const cpu = process.cpuUsage(this.#cpu);
    const window: LoadWindow = {
      seconds: (atUs - this.#sinceUs) / 1e6,
      sent: this.sent,
      acknowledged: this.acknowledged,
      received: this.received,
      errors: this.errors,
      firstError: this.firstError,
      brokenPrevs: this.brokenPrevs,
      closes: this.closes,
      latency: this.latency.take(),
      acknowledgement: this.acknowledgement.take(),
      lateness: this.lateness.take(),
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      // The monitor counts its own interval in.
      loopDelayP99Ms: Math.max(0, this.#loop.percentile(99) / 1e6 - LOOP_RESOLUTION_MS),
    };
    this.#loop.reset();
    this.#cpu = process.cpuUsage();
    this.#sinceUs = atUs;
    this.sent = this.acknowledged = this.received = 0;
    this.errors = this.brokenPrevs = this.closes = 0;
    this.firstError = undefined;
    return window;
  }
}
