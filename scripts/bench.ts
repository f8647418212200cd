import { readFileSync } from "node:fs";
import { parseBenchOptions } from "./bench/bench-options.ts";
import { formatReport } from "./bench/report/report.ts";
import { type BenchRun, runBench } from "./bench/run-bench.ts";
import { SCENARIOS } from "./bench/scenario/scenarios.ts";

const NAMES = SCENARIOS.map(({ name }) => name);

const USAGE = `npm run bench -- [scenario…] [options]

Measures the edge on a real Kafka and Redis beside what the broker and a bare server cost.

Scenarios (default: all of them, in this order):
  ${NAMES.join("\n  ")}

floor-uws alone means all of that floor's, features alone what each of the features costs.

  --quick                  short windows: to see that it works, not to compare
  --variant NAME:EDGE_X=Y  also with this environment of the edge (several separated by commas,
                           also NODE_OPTIONS=--flag), shown as a ratio to the edge as it comes; repeatable
  --cpu-prof               profiles the edge in each window, and names its top functions
  --patience SECONDS       for so long a window is measured again while others use the machine
                           (default 20)
  --p99 MS                 the bound at which a rising rate has gone too far (default 100)
  --json FILE              the results (default .millrace/bench/<time>.json)
  --scale N                so many times the clients, conversations and rates (default 1)
  --seed N                 of all that is random here (default 1)
  --load-processes N       default 2
  --edge-core N            core of what is measured (default 0)
  --load-core N            core of the load side (default 1)
  --kafka-core N           core of Kafka and Redis (default: that of the load side)
  --no-pin                 binds nobody to a core
  --show FILE              the table of an earlier run's JSON, and measures nothing
  --help                   this text`;

const parsed = parseBenchOptions(process.argv.slice(2), NAMES);
if (parsed.kind === "help") console.log(USAGE);
else if (parsed.kind === "show") {
  console.log(formatReport(JSON.parse(readFileSync(parsed.file, "utf8")) as BenchRun));
} else if (parsed.kind === "wrong") {
  console.error(`${parsed.why}\n\n${USAGE}`);
  process.exitCode = 2;
} else process.exit(await runBench(parsed.options));
