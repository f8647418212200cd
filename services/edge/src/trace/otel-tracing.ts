import type { RecordHeader } from "@millrace/log";
import { type Clock, type Logger, delay } from "@millrace/runtime";
import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from "@opentelemetry/sdk-trace-base";
import type { Told } from "../hub/told.ts";
import type { PublishOutcome } from "../publish/publish-gate.ts";
import { ReportedExporter } from "./reported-exporter.ts";
import { type Traceparent, traceparentOf } from "./traceparent.ts";
import type { DeliveryTrace, PublishTrace, Tracing } from "./tracing.ts";

const SAMPLED = 1;

/**
 * Spans of OpenTelemetry; loaded only where tracing is on. A message is one trace: `deliver` is a
 * child of the `publish` whose context stands in the record, also when the two are on different
 * edges, or days apart. Contexts are handed on as values: a batch holds messages of many traces, so
 * that "the current span" means nothing here.
 */
export class OtelTracing implements Tracing {
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;
  readonly #clock: Clock;

  constructor(options: {
    readonly edgeId: string;
    readonly clock: Clock;
    readonly exporter: SpanExporter;
  }) {
    const { edgeId, clock, exporter } = options;
    this.#clock = clock;
    this.#provider = new BasicTracerProvider({
      resource: resourceOf(edgeId),
      // Bounded: what does not fit its queue is dropped, and no message waits for it.
      spanProcessors: [new BatchSpanProcessor(exporter)],
    });
    this.#tracer = this.#provider.getTracer("millrace");
  }

  publish(given: Traceparent | undefined): PublishTrace {
    const span = this.#tracer.startSpan("publish", { kind: SpanKind.PRODUCER }, contextOf(given));
    return {
      traceparent: traceparentTo(span),
      answered: (outcome) => endPublish(span, outcome),
    };
  }

  deliver(
    headers: readonly RecordHeader[],
    { position, receivers }: { readonly position: Told; readonly receivers: number },
  ): DeliveryTrace {
    const attributes = { "millrace.position": position.text, "millrace.receivers": receivers };
    const options = { kind: SpanKind.CONSUMER, attributes };
    const span = this.#tracer.startSpan("deliver", options, contextOf(traceparentOf(headers)));
    return { written: () => span.end() };
  }

  async close(settleMs: number): Promise<void> {
    // What can't be exported any more is lost; the exporter has said so.
    const closed = this.#provider.shutdown().catch(() => undefined);
    await Promise.race([closed, delay(this.#clock, settleMs)]);
  }
}

/** By OTLP over HTTP, to where the standard variables say. */
export function otlpExporter(logger: Logger): SpanExporter {
  return new ReportedExporter(new OTLPTraceExporter(), logger);
}

/** `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` come before our own names. */
function resourceOf(edgeId: string) {
  const own = { "service.name": "millrace-edge", "service.instance.id": edgeId };
  return defaultResource()
    .merge(resourceFromAttributes(own))
    .merge(detectResources({ detectors: [envDetector] }));
}

function contextOf(traceparent: Traceparent | undefined): Context {
  if (traceparent === undefined) return ROOT_CONTEXT;
  const [, traceId = "", spanId = "", flags = ""] = traceparent.split("-");
  const traceFlags = Number.parseInt(flags, 16) & SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function traceparentTo(span: Span): Traceparent {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-0${traceFlags & SAMPLED}` as Traceparent;
}

/** Its outcome and place; nothing of what the client wrote. */
function endPublish(span: Span, outcome: PublishOutcome): void {
  span.setAttribute("millrace.outcome", outcome.kind);
  if (outcome.kind === "appended") {
    span.setAttribute("millrace.position", outcome.pos);
    if (outcome.isDuplicate === true) span.setAttribute("millrace.duplicate", true);
  } else {
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
