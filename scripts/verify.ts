import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { credentialsIn } from "@millrace/runtime";
import {
  type Acknowledged,
  type Stored,
  type Told,
  offenceOfReceiver,
  offenceOfTopic,
  repeatedKeys,
} from "./verify/judge.ts";
import { readTopic } from "./verify/read-topic.ts";

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
  const byConversation = byConversationOf(stored);
  const offences = [
    named("the topic", offenceOfTopic(stored, acknowledged)),
    ...offencesOfReceivers(byConversation, lastAcknowledged(acknowledged)),
  ].filter((offence) => offence !== undefined);
  const repeated = repeatedKeys(stored);
  if (values["strict-keys"] && repeated > 0) offences.push(`${repeated} keys stand there again`);
  const result = {
    isProved: offences.length === 0,
    messages: stored.length,
    conversations: byConversation.size,
    acknowledged: acknowledged.length,
    receivers: receiverFiles().length,
    repeatedKeys: repeated,
  };
  if (values.json) console.log(JSON.stringify({ ...result, offences }));
  else {
    for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(16)}${value}`);
    for (const offence of offences) console.error(`OFFENCE ${offence}`);
  }
  return offences.length === 0 ? 0 : 1;
}

function offencesOfReceivers(
  byConversation: ReadonlyMap<string, readonly Stored[]>,
  until: ReadonlyMap<string, string>,
): (string | undefined)[] {
  return receiverFiles().flatMap((file) => {
    const told = byConversationOf(linesOf<Told & { readonly c: string }>(file));
    return [...told].map(([c, frames]) =>
      named(
        `${file} ${c}`,
        offenceOfReceiver(byConversation.get(c) ?? [], frames, until.get(c) ?? ""),
      ),
    );
  });
}

/** Where each conversation's replay ends: what is said later is not the receivers' matter. */
function lastAcknowledged(acknowledged: readonly Acknowledged[]): Map<string, string> {
  const last = new Map<string, string>();
  for (const { c, pos } of acknowledged) {
    const before = last.get(c);
    const isLater = before === undefined || pos.length > before.length;
    if (isLater || (pos.length === before.length && pos > before)) last.set(c, pos);
  }
  return last;
}

function places(): { readonly brokers: readonly string[]; readonly topic: string } {
  const { brokers, topic } = values;
  if (brokers !== undefined && topic !== undefined) return { brokers: brokers.split(","), topic };
  const ready = JSON.parse(readFileSync(values["ready-file"], "utf8")) as ReadyPlaces;
  return { brokers: brokers?.split(",") ?? ready.kafka.brokers, topic: topic ?? ready.topic };
}

function receiverFiles(): string[] {
  return readdirSync(values.logs).filter((name) => name.startsWith("receiver-"));
}

function linesOf<Line>(file: string): Line[] {
  const text = readFileSync(join(values.logs, file), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

function byConversationOf<Item extends { readonly c: string }>(
  items: readonly Item[],
): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(item.c);
    if (group === undefined) groups.set(item.c, [item]);
    else group.push(item);
  }
  return groups;
}

function named(what: string, offence: string | undefined): string | undefined {
  return offence && `${what}: ${offence}`;
}

process.exit(await main());
