import type { Clock, Environment, Logger } from "@millrace/runtime";
import type { Tracing } from "./tracing.ts";

type Exporter = "otlp" | "console" | "none";

const ENDPOINTS = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/**
 * Tracing as the standard variables of OpenTelemetry ask for it; undefined: off, and then nothing of
 * its SDK is loaded. What else those variables say (sampler, headers, batch sizes) the SDK reads
 * itself.
 */
export async function openTracing(
  environment: Environment,
  options: { readonly edgeId: string; readonly logger: Logger; readonly clock: Clock },
): Promise<Tracing | undefined> {
  const kind = exporterIn(environment);
  if (kind === "none") return undefined;
  const { OtelTracing, otlpExporter } = await import("./otel-tracing.ts");
  const { SpanLines } = await import("./span-lines.ts");
  const { logger } = options;
  logger.info({ exporter: kind }, "messages are traced");
  const exporter = kind === "otlp" ? otlpExporter(logger) : new SpanLines(logger);
  return new OtelTracing({ ...options, exporter });
}

function exporterIn(environment: Environment): Exporter {
  const { OTEL_SDK_DISABLED: disabled, OTEL_TRACES_EXPORTER: wanted = "" } = environment;
  if (disabled?.toLowerCase() === "true") return "none";
  if (wanted === "console") return "console";
  const hasEndpoint = ENDPOINTS.some((name) => (environment[name] ?? "") !== "");
  return hasEndpoint && (wanted === "" || wanted === "otlp") ? "otlp" : "none";
}
