import type { RecordHeader } from "@millrace/log";
import type { Told } from "../hub/told.ts";
import type { PublishOutcome } from "../publish/publish-gate.ts";
import type { Traceparent } from "./traceparent.ts";

/**
 * What the edge tells of a message's way; the seam to OpenTelemetry. Nothing of it is called while
 * tracing is off: there is no such object then.
 */
export interface Tracing {
  /** A publish's frame has come, with the context of the client's own trace, where it has one. */
  publish(given: Traceparent | undefined): PublishTrace;
  /** A record was queued to subscribers. */
  deliver(
    headers: readonly RecordHeader[],
    what: { readonly position: Told; readonly receivers: number },
  ): DeliveryTrace;
  /** Sends what it has, for at most that time. Never rejects. */
  close(settleMs: number): Promise<void>;
}

export interface PublishTrace {
  /** What the record bears, so that its deliveries find their publish. */
  readonly traceparent: Traceparent;
  answered(outcome: PublishOutcome): void;
}

export interface DeliveryTrace {
  /** All sockets were written to. */
  written(): void;
}
