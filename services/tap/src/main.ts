import { Lifecycle, createLogger, systemClock } from "@millrace/runtime";
import { auditTopicOf, controlTopicOf, cursorsTopicOf } from "@millrace/schemas";
import {
  AUDIT_VERSIONS,
  CONTROL_VERSIONS,
  CURSOR_VERSIONS,
  SCHEMA_VERSIONS,
} from "@millrace/schemas/record";
import { type TapConfig, readTapConfig } from "./config.ts";
import { LIMITS } from "./limits.ts";
import { Registry } from "./registry.ts";
import { startServer } from "./server.ts";

async function serve(config: TapConfig): Promise<void> {
  const logger = createLogger({ name: "tap", level: config.logLevel });
  const { drainMs } = LIMITS;
  const lifecycle = new Lifecycle({ logger, clock: systemClock, drainMs, host: process });
  const registry = new Registry([
    { topic: config.topic, versions: SCHEMA_VERSIONS },
    { topic: cursorsTopicOf(config.topic), versions: CURSOR_VERSIONS },
    { topic: controlTopicOf(config.topic), versions: CONTROL_VERSIONS },
    { topic: auditTopicOf(config.topic), versions: AUDIT_VERSIONS },
  ]);
  const { port, close } = await startServer(registry, config);
  lifecycle.started(close);
  logger.info({ port }, "serving");
}

const config = readTapConfig(process.env);
if (config.ok) {
  await serve(config.values);
} else {
  console.error(`the tap can't start:\n${config.problems.map((line) => `  - ${line}`).join("\n")}`);
  process.exitCode = 1;
}
