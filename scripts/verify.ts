import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { credentialsIn } from "@millrace/runtime";
import { type Acknowledged, type Told, judge, readTopic } from "@millrace/testkit/judge";

const USAGE = `usage: npm run verify -- [options]

Compares what receivers were told (the logs of a replay) with the topic: the same order everywhere,
nothing missing, nothing twice, each sender's messages in order, every acknowledged one there.
Exit code 0: all is well; 1: the first offence of each kind is printed with its positions.

  --ready-file F   where the product's places stand (default .millrace/ready.json)
  --brokers LIST   instead: host:port, separated by commas
  --topic T        instead of the ready file's
  --logs DIR       what the replay has written (default .millrace/replay)
  --strict-keys    a second record with the same sender and key is an offence, too
  --json           the result as one line of JSON

KAFKA_SECURITY_DIR is the folder of the credentials for a secured Kafka.`;

const { values } = parseArgs({
  options: {
    "ready-file": { type: "string", default: ".millrace/ready.json" },
    brokers: { type: "string" },
    topic: { type: "string" },
    logs: { type: "string", default: ".millrace/replay" },
    "strict-keys": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

interface ReadyPlaces {
  readonly topic: string;
  readonly kafka: { readonly brokers: readonly string[] };
}

async function main(): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const acknowledged = linesOf<Acknowledged>("published.ndjson");
  const epoch = acknowledged[0]?.pos.split(".")[0] ?? "";
  const folder = process.env["KAFKA_SECURITY_DIR"] ?? "";
  const credentials = folder !== "" && { credentials: credentialsIn(folder) };
  const stored = await readTopic({ ...places(), epoch, ...credentials });
  const files = readdirSync(values.logs).filter((name) => name.startsWith("receiver-"));
  const told = Object.fromEntries(files.map((file) => [file, linesOf<Told>(file)]));
  const verdict = judge(
    { stored, told, acknowledged },
    { strictKeys: values["strict-keys"], owed: "acknowledged" },
  );
  const { isProved, messages, conversations, repeatedKeys } = verdict;
  const result = {
    isProved,
    messages,
    conversations,
    acknowledged: acknowledged.length,
    receivers: files.length,
    repeatedKeys,
  };
  const offences = verdict.offences.map(({ where, c, text }) => `${where} ${c}: ${text}`);
  if (values.json) console.log(JSON.stringify({ ...result, offences }));
  else {
    for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(16)}${value}`);
    for (const offence of offences) console.error(`OFFENCE ${offence}`);
  }
  return isProved ? 0 : 1;
}

function places(): { readonly brokers: readonly string[]; readonly topic: string } {
  const { brokers, topic } = values;
  if (brokers !== undefined && topic !== undefined) return { brokers: brokers.split(","), topic };
  const ready = JSON.parse(readFileSync(values["ready-file"], "utf8")) as ReadyPlaces;
  return { brokers: brokers?.split(",") ?? ready.kafka.brokers, topic: topic ?? ready.topic };
}

function linesOf<Line>(file: string): Line[] {
  const text = readFileSync(join(values.logs, file), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

process.exit(await main());
