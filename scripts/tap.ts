import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { MissingPart } from "@millrace/testkit";
import { type ReferenceCommand, referenceCommand } from "./tap/reference.ts";

const USAGE = `npm run -s tap -- [options]

Reads the topic from its beginning to its present end as an analyst would: with Python,
confluent-kafka and the schema files, and nothing of the product. One line of JSON a record; whole
numbers are text, so that every digit survives. What can't be read is told on standard error by its
position, and passed over.

  --ready-file F   where the product's places stand (default .millrace/ready.json)
  --brokers LIST   instead: host:port, separated by commas; with --topic
  --topic T        instead of the ready file's
  --registry URL   read by the stock deserializer and this schema registry; the files help out
  --limit N        so many records at most
  --again F        only what an earlier run, whose standard error F is, has parked
  --help           this text

Exit code 0: read to the end; 1: the topic can't be read; 2: wrong use.`;

/** What can't be done as asked; the message says why. */
class TapUsageError extends Error {
  override readonly name = "TapUsageError";
}

interface Wish {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly more: readonly string[];
}

function wishOf(args: readonly string[]): Wish | undefined {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      "ready-file": { type: "string", default: ".millrace/ready.json" },
      brokers: text,
      topic: text,
      registry: text,
      limit: text,
      again: text,
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { brokers, topic, registry, limit, again } = values;
  if (values.help) return undefined;
  if (limit !== undefined && !/^[1-9]\d{0,14}$/.test(limit)) {
    throw new TapUsageError(`--limit ${limit}: a whole number above 0 is needed`);
  }
  if (registry !== undefined && !/^https?:\/\//.test(registry)) {
    throw new TapUsageError(`--registry ${registry}: an http or https URL is needed`);
  }
  const more = Object.entries({ registry, limit, again }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  if (brokers !== undefined && topic !== undefined) {
    return { brokers: brokers.split(","), topic, more };
  }
  if (brokers !== undefined) throw new TapUsageError("--brokers needs --topic");
  const ready = readyPlaces(values["ready-file"]);
  return { brokers: ready.kafka.brokers, topic: topic ?? ready.topic, more };
}

interface ReadyPlaces {
  readonly topic: string;
  readonly kafka: { readonly brokers: readonly string[] };
}

function readyPlaces(file: string): ReadyPlaces {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ReadyPlaces;
  } catch (cause) {
    const what = `no running product was found (${file}); start it with npm start, or give --brokers and --topic`;
    throw new TapUsageError(what, { cause });
  }
}

/** In the foreground; resolves with its exit code. */
async function run({ command, args, env }: ReferenceCommand): Promise<number> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => child.kill(signal));
  }
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

async function main(): Promise<number> {
  let wish: Wish | undefined;
  try {
    wish = wishOf(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (wish === undefined) {
    console.log(USAGE);
    return 0;
  }
  try {
    return await run(await referenceCommand("read", { ...wish, tell: console.error }));
  } catch (error) {
    console.error(error instanceof MissingPart ? error.message : error);
    return 1;
  }
}

process.exit(await main());
