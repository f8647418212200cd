import type { LogRecord } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import type { Flusher } from "../connection/flusher.ts";
import type { Told } from "../hub/told.ts";
import type { EdgeMetrics } from "../metrics.ts";
import type { DeliveryTrace, Tracing } from "../trace/tracing.ts";

/** What one chunk of a tail has queued to sockets. */
interface Handover {
  /** By append time: the records of one batch share the broker's, so there are few. */
  readonly receivers: Map<number, number>;
  readonly traces: DeliveryTrace[];
}

/**
 * Measures from a record's append to the write to its subscribers' sockets. What a chunk queues is
 * gathered, and waits in the flusher behind the sockets that it is due to: its turn comes when they
 * have been written. So a delivery costs nothing, a record one look at a map, and the histogram is
 * touched once per batch of the broker.
 */
export class DeliveryWatch {
  readonly #options: {
    readonly flusher: Flusher;
    readonly clock: Clock;
    readonly metrics: EdgeMetrics;
    readonly tracing?: Tracing | undefined;
  };
  #handover: Handover | undefined;

  constructor(options: {
    readonly flusher: Flusher;
    readonly clock: Clock;
    readonly metrics: EdgeMetrics;
    readonly tracing?: Tracing | undefined;
  }) {
    this.#options = options;
  }

  /** A record was queued to so many subscribers, at least one. */
  queued(record: LogRecord, position: Told, receivers: number): void {
    this.#handover ??= { receivers: new Map(), traces: [] };
    const { timestampMs } = record;
    const known = this.#handover.receivers.get(timestampMs) ?? 0;
    this.#handover.receivers.set(timestampMs, known + receivers);
    const { tracing } = this.#options;
    if (tracing === undefined) return;
    this.#handover.traces.push(tracing.deliver(record.headers, { position, receivers }));
  }

  /** The chunk is over: all sockets that it is due to stand in the flusher. */
  passed(): void {
    const handover = this.#handover;
    if (handover === undefined) return;
    this.#handover = undefined;
    this.#options.flusher.due({ flush: () => this.#written(handover) });
  }

  /** The broker's clock and ours may differ by more than a delivery takes: below 0 is 0. */
  #written({ receivers, traces }: Handover): void {
    const { clock, metrics } = this.#options;
    const nowMs = clock.wallMs();
    for (const [appendedMs, times] of receivers) {
      metrics.deliverySeconds.observe(nowMs - appendedMs, times);
    }
    for (const trace of traces) trace.written();
  }
}
