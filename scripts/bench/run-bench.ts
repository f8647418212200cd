import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { BenchOptions } from "./bench-options.ts";
import { type Machine, describeMachine } from "./report/machine.ts";
import { featureRatios } from "./report/feature-ratios.ts";
import { formatReport } from "./report/report.ts";
import type { Bench, ScenarioResult } from "./scenario/measured.ts";
import { SCENARIOS } from "./scenario/scenarios.ts";
import { BenchStage } from "./stage/bench-stage.ts";
import { type Cores, canPin } from "./stage/cores.ts";

const FOLDER = ".millrace/bench";

/** Everything that one run told, as it stands in the JSON file. */
export interface BenchRun {
  readonly command: string;
  readonly startedAt: string;
  readonly machine: Machine;
  readonly results: readonly ScenarioResult[];
}

/** Runs the scenarios one after the other; the exit code says whether all of them could be run. */
export async function runBench(options: BenchOptions): Promise<number> {
  const startedAt = new Date().toISOString();
  const stamp = startedAt.replaceAll(":", "-").slice(0, 19);
  const profileFolder = options.makesProfile ? resolve(FOLDER, stamp) : undefined;
  mkdirSync(profileFolder ?? FOLDER, { recursive: true });
  const cores = await coresOf(options);
  const { loadProcesses } = options;
  const stage = await BenchStage.open({ cores, loadProcesses, profileFolder, tell });
  const stop = (): void => void stage.close().then(() => process.exit(130));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const { seed, isQuick, patienceS, p99MsMax, scale } = options;
  const bench: Bench = { stage, seed, isQuick, patienceS, p99MsMax, tell, scale };
  const command = ["npm run bench --", ...process.argv.slice(2)].join(" ");
  const machine = await describeMachine(cores);
  const file = options.jsonFile ?? `${FOLDER}/${stamp}.json`;
  mkdirSync(dirname(file), { recursive: true });
  const results: ScenarioResult[] = [];
  const run: BenchRun = { command, startedAt, machine, results };
  // After each scenario: an hour of measuring is not lost with its last minute.
  const add = (result: ScenarioResult): void => {
    results.push(result);
    const ratios = featureRatios(results);
    writeFileSync(file, `${JSON.stringify({ ...run, ratios }, undefined, 2)}\n`);
  };
  const failed = await runAll(bench, options, add);
  await stage.close();
  console.log(formatReport(run));
  tell(`written to ${file}`);
  return failed ? 1 : 0;
}

/** True when one of them could not be run. */
async function runAll(
  bench: Bench,
  options: BenchOptions,
  add: (result: ScenarioResult) => void,
): Promise<boolean> {
  let failed = false;
  for (const name of options.scenarios) {
    const entry = SCENARIOS.find((scenario) => scenario.name === name);
    if (entry === undefined) continue;
    const variants = entry.isFloor === true ? options.variants.slice(0, 1) : options.variants;
    for (const variant of variants) {
      tell(`${name} (${variant.name})`);
      try {
        add(await entry.run(bench, variant));
      } catch (error) {
        // The others are still worth knowing.
        failed = true;
        tell(`${name} failed: ${error instanceof Error ? error.stack : String(error)}`);
        const notes = [`failed: ${String(error)}`];
        add({ scenario: name, variant: variant.name, more: {}, notes });
      }
    }
  }
  return failed;
}

async function coresOf(options: BenchOptions): Promise<Cores | undefined> {
  const { isPinned, edgeCore, kafkaCore, loadCore } = options;
  if (!isPinned) return undefined;
  const cores = [edgeCore, kafkaCore, loadCore];
  const areThere = await Promise.all(cores.map(canPin));
  if (areThere.includes(false)) {
    tell("nobody is bound to a core: taskset or one of the cores is missing");
    return undefined;
  }
  return { edge: edgeCore, kafka: kafkaCore, load: loadCore };
}

function tell(line: string): void {
  process.stderr.write(`bench  ${line}\n`);
}
