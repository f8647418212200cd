import type { Logger } from "@millrace/runtime";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";

/** Spans as log lines: for a look without a collector, in the form that all other lines have. */
export class SpanLines implements SpanExporter {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    for (const span of spans) this.#logger.info(lineOf(span), "span");
    done({ code: ExportResultCode.SUCCESS });
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

function lineOf(span: ReadableSpan) {
  const { traceId, spanId } = span.spanContext();
  const [seconds, ns] = span.duration;
  return {
    span: span.name,
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    durationMs: seconds * 1_000 + ns / 1_000_000,
    ...span.attributes,
  };
}
