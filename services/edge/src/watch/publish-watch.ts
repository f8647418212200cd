import type { Clock } from "@millrace/runtime";
import type { EdgeMetrics } from "../metrics.ts";
import type {
  GateVerdict,
  Publish,
  PublishOutcome,
  PublishRequest,
} from "../publish/publish-gate.ts";
import { traceparentIn } from "../trace/traceparent.ts";
import type { Tracing } from "../trace/tracing.ts";

/** Every outcome is on the page from the start: a rate misses the step from nothing to one. */
const OUTCOMES: readonly PublishOutcome["kind"][] = [
  "appended",
  "refused",
  "not-appended",
  "unknown",
  "withdrawn",
];

/**
 * Follows a publish from its frame to its answer: how long it took, what its key's check said, and
 * its span, whose context goes into the record. While tracing is off, the client's own context is
 * passed on as it came.
 */
export class PublishWatch {
  readonly #clock: Clock;
  readonly #metrics: EdgeMetrics;
  readonly #tracing: Tracing | undefined;
  readonly #waited = new WeakSet<Publish>();

  constructor(options: {
    readonly clock: Clock;
    readonly metrics: EdgeMetrics;
    readonly tracing?: Tracing | undefined;
  }) {
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#tracing = options.tracing;
    for (const outcome of OUTCOMES) this.#metrics.publishOutcomes.inc({ outcome }, 0);
  }

  begin(request: PublishRequest): PublishRequest {
    const startMs = this.#clock.nowMs();
    const given = traceparentIn(request.frame.meta?.["traceparent"]);
    const trace = this.#tracing?.publish(given);
    const traceparent = trace === undefined ? given : trace.traceparent;
    return {
      ...request,
      ...(traceparent !== undefined && { traceparent }),
      onOutcome: (outcome: PublishOutcome) => {
        this.#metrics.publishOutcomes.inc({ outcome: outcome.kind });
        if (outcome.kind === "appended") {
          this.#metrics.publishSeconds.observe(this.#clock.nowMs() - startMs);
        }
        trace?.answered(outcome);
        request.onOutcome(outcome);
      },
    };
  }

  /** What the gate said, when it is acted upon. Without a key nothing is looked up. */
  checked(publish: Publish, verdict: GateVerdict): void {
    if (publish.frame.key === undefined) return;
    const { dedup } = this.#metrics;
    if (verdict.kind === "append") return dedup.inc({ outcome: "new" });
    if (verdict.kind === "answer") {
      const outcome = verdict.outcome.kind === "appended" ? "duplicate" : "unknown";
      return dedup.inc({ outcome });
    }
    // One that waits is checked again and again.
    if (this.#waited.has(publish)) return;
    this.#waited.add(publish);
    dedup.inc({ outcome: "waited" });
  }
}
