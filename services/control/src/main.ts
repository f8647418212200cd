import { Lifecycle, createLogger, systemClock } from "@millrace/runtime";
import { type ControlConfig, readControlConfig } from "./config.ts";
import { startControl } from "./control.ts";
import { LIMITS } from "./limits.ts";

async function serve(config: ControlConfig): Promise<void> {
  const logger = createLogger({ name: "control", level: config.logLevel });
  const { drainMs } = LIMITS;
  const clock = systemClock;
  const lifecycle = new Lifecycle({ logger, clock, drainMs, host: process });
  const control = await startControl(config, { logger, clock });
  lifecycle.started(() => control.close());
  logger.info({ port: control.port }, "serving");
}

const config = readControlConfig(process.env);
if (config.ok) {
  await serve(config.values);
} else {
  console.error(`control can't start:\n${config.problems.map((line) => `  - ${line}`).join("\n")}`);
  process.exitCode = 1;
}
