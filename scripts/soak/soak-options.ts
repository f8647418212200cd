import { parseArgs } from "node:util";
import { FAULT_KINDS, type FaultKind } from "./fault-plan.ts";

export const USAGE = `usage: npm run soak -- [options]

Starts the product in a folder of its own, sends chat through it while lines are lost, readers are slow
and processes are killed, frozen and restarted, and proves with npm run verify that nothing was lost,
repeated or swapped. Exit code 0: proved; 1: an offence, or something never came; 2: wrong use.

  --minutes N      how long faults go on (default 10)
  --seed N         for everything random here; it is printed (default: another one each time)
  --edges N        number of edges (default 3); the first is only frozen, so that its memory has a trend
  --rate N         messages a second (default 200)
  --receivers N    of each conversation (default 3): one is slow, one loses its line again and again
  --every SECONDS  between faults, on average (default 15)
  --faults LIST    only these, separated by commas: ${FAULT_KINDS.join(", ")}
  --file F         what is said: NDJSON, also .gz (default: a generated chat)
  --port P         of the first edge (default 8180)
  --data DIR       where everything is kept, wiped at the start (default .millrace/soak)
  --json           the result as one line of JSON on standard output; progress goes to standard error`;

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly edges: number;
  readonly rate: number;
  readonly receivers: number;
  readonly everyMs: number;
  readonly faults: readonly FaultKind[];
  readonly file: string | undefined;
  readonly port: number;
  readonly dataFolder: string;
  readonly isJson: boolean;
}

/** Undefined: the usage was asked for. Throws what is wrong with them. */
export function readSoakOptions(args: readonly string[]): SoakOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "10" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      edges: { type: "string", default: "3" },
      rate: { type: "string", default: "200" },
      receivers: { type: "string", default: "3" },
      every: { type: "string", default: "15" },
      faults: { type: "string", default: FAULT_KINDS.join(",") },
      file: { type: "string" },
      port: { type: "string", default: "8180" },
      data: { type: "string", default: ".millrace/soak" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    minutes: positive("minutes", values.minutes),
    seed: positive("seed", values.seed),
    edges: positive("edges", values.edges),
    rate: positive("rate", values.rate),
    receivers: positive("receivers", values.receivers),
    everyMs: positive("every", values.every) * 1_000,
    faults: faultsOf(values.faults),
    file: values.file,
    port: positive("port", values.port),
    dataFolder: values.data,
    isJson: values.json,
  };
}

function positive(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${name} takes a number above 0, not "${text}"`);
  return number;
}

function faultsOf(text: string): FaultKind[] {
  return text.split(",").map((name) => {
    const kind = FAULT_KINDS.find((known) => known === name);
    if (kind === undefined) throw new Error(`--faults knows no "${name}"`);
    return kind;
  });
}
