import { parseArgs } from "node:util";
import type { Variant } from "./scenario/measured.ts";

export interface BenchOptions {
  readonly scenarios: readonly string[];
  readonly isQuick: boolean;
  readonly isPinned: boolean;
  readonly edgeCore: number;
  readonly kafkaCore: number;
  readonly loadCore: number;
  readonly loadProcesses: number;
  readonly jsonFile: string | undefined;
  readonly seed: number;
  readonly scale: number;
  readonly variants: readonly Variant[];
  readonly patienceS: number;
  readonly p99MsMax: number;
  readonly makesProfile: boolean;
}

export type ParsedOptions =
  | { readonly kind: "run"; readonly options: BenchOptions }
  | { readonly kind: "show"; readonly file: string }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly why: string };

/** The edge as it comes, which every other variant is compared with. */
const AS_IT_COMES: Variant = { name: "as it comes", env: {} };

/** Of the edge, or of the V8 that it runs on. */
const SETTING = /^(?:EDGE_\w+|NODE_OPTIONS)=/;

const TEXT = { type: "string" } as const;
const FLAG = { type: "boolean", default: false } as const;

/** `known`: the names of the scenarios there are. */
export function parseBenchOptions(
  args: readonly string[],
  known: readonly string[],
): ParsedOptions {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return { kind: "wrong", why: (error as Error).message };
  }
  const { values, positionals } = parsed;
  if (values.help) return { kind: "help" };
  if (values.show !== undefined) return { kind: "show", file: values.show };
  const wanted = new Set(positionals.flatMap((name) => namesOf(name, known)));
  const unknown = positionals.find((name) => namesOf(name, known).length === 0);
  if (unknown !== undefined) return { kind: "wrong", why: `there is no scenario "${unknown}"` };
  const variants = (values.variant ?? []).map(variantOf);
  if (variants.includes(undefined)) {
    return {
      kind: "wrong",
      why: "a variant is name:EDGE_A=value or name:NODE_OPTIONS=value, several separated by commas",
    };
  }
  const numbers = [
    "edge-core",
    "kafka-core",
    "load-core",
    "load-processes",
    "patience",
    "p99",
    "scale",
    "seed",
  ] as const;
  const bad = numbers.find((name) => values[name] !== undefined && !/^\d+$/.test(values[name]));
  if (bad !== undefined) return { kind: "wrong", why: `--${bad} needs a whole number` };
  const loadCore = Number(values["load-core"]);
  return {
    kind: "run",
    options: {
      scenarios: positionals.length === 0 ? known : known.filter((name) => wanted.has(name)),
      isQuick: values.quick,
      isPinned: !values["no-pin"],
      edgeCore: Number(values["edge-core"]),
      loadCore,
      kafkaCore: Number(values["kafka-core"] ?? loadCore),
      loadProcesses: Math.max(1, Number(values["load-processes"])),
      jsonFile: values.json,
      seed: Number(values.seed),
      scale: Math.max(1, Number(values.scale)),
      variants: [AS_IT_COMES, ...variants.filter((variant) => variant !== undefined)],
      patienceS: Number(values.patience),
      p99MsMax: Number(values.p99),
      makesProfile: values["cpu-prof"],
    },
  };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: FLAG,
      "no-pin": FLAG,
      "edge-core": { ...TEXT, default: "0" },
      "load-core": { ...TEXT, default: "1" },
      "kafka-core": TEXT,
      "load-processes": { ...TEXT, default: "2" },
      json: TEXT,
      patience: { ...TEXT, default: "20" },
      p99: { ...TEXT, default: "100" },
      seed: { ...TEXT, default: "1" },
      scale: { ...TEXT, default: "1" },
      variant: { ...TEXT, multiple: true },
      "cpu-prof": FLAG,
      show: TEXT,
      help: FLAG,
    },
  });
}

/** The name itself, or all that begin with it where it is the name of none. */
function namesOf(name: string, known: readonly string[]): readonly string[] {
  if (known.includes(name)) return [name];
  return known.filter((other) => other.startsWith(`${name}-`));
}

function variantOf(text: string): Variant | undefined {
  const [, name, settings] = /^([\w-]+):(.+)$/.exec(text) ?? [];
  if (name === undefined || settings === undefined) return undefined;
  if (!settings.split(",").every((setting) => SETTING.test(setting))) return undefined;
  const env = settings.split(",").map((setting) => {
    const at = setting.indexOf("=");
    return [setting.slice(0, at), setting.slice(at + 1)] as const;
  });
  return { name, env: Object.fromEntries(env) };
}
