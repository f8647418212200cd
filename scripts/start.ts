import { ensureTopic } from "@millrace/log";
import { createLogger, systemClock } from "@millrace/runtime";
import { runStart } from "./start/run-start.ts";

const logger = createLogger({ name: "start", level: "silent" });
const code = await runStart(process.argv.slice(2), { clock: systemClock, logger, ensureTopic });
process.exit(code);
