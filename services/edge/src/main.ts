import { Lifecycle, createLogger, systemClock } from "@millrace/runtime";
import { type EdgeConfig, readEdgeConfig } from "./config.ts";
import { hostPlatform, nativeBuilds, platformProblem } from "./server/platform.ts";
import { openTracing } from "./trace/open-tracing.ts";

/** What the server's headers may hold in all: docs/protocol.md promises 8 KiB to the client. */
const HEADERS_BYTES_MAX = "16384";

async function serve(config: EdgeConfig): Promise<void> {
  const logger = createLogger({ name: config.id, level: config.logLevel });
  const { drainMs } = config;
  const clock = systemClock;
  const lifecycle = new Lifecycle({ logger, clock, drainMs, host: process });
  // The server reads this once, while its module loads; hence the import after it.
  process.env["UWS_HTTP_MAX_HEADERS_SIZE"] ??= HEADERS_BYTES_MAX;
  const { startEdge } = await import("./edge.ts");
  const tracing = await openTracing(process.env, { edgeId: config.id, logger, clock });
  const stop = (): void => lifecycle.stop("an operator's call");
  const edge = await startEdge(config, { logger, clock, stop, ...(tracing && { tracing }) });
  lifecycle.started(() => edge.drain());
  logger.info({ port: edge.port, adminPort: edge.adminPort }, "serving");
}

function refuse(line: string): void {
  console.error(line);
  process.exitCode = 1;
}

const problem = platformProblem(hostPlatform(), nativeBuilds());
const config = readEdgeConfig(process.env);
if (problem !== undefined) {
  refuse(problem);
} else if (config.ok) {
  await serve(config.values);
} else {
  refuse(`the edge can't start:\n${config.problems.map((line) => `  - ${line}`).join("\n")}`);
}
