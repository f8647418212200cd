import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

export const USAGE = `usage: npm run verify -- [options]

Compares what receivers were told (the logs of a replay) with the topic: the same order everywhere,
nothing missing, repeated, inverted, corrupted or foreign, each sender's messages in order, every
acknowledged one there. Exit code 0: all is well; 1: what is wrong is counted by conversation, and
the first offences are printed with their positions; 2: wrong use.

  --ready-file F   where the product's places stand (default .millrace/ready.json)
  --brokers LIST   instead: host:port, separated by commas
  --topic T        instead of the ready file's
  --logs DIR       what the replay has written (default .millrace/replay)
  --follow         keep up with topic and logs while a replay runs; ends on Ctrl-C
  --for SECONDS    with --follow: ends by itself
  --every SECONDS  with --follow: a line on standard error each time (default 5)
  --strict-keys    a second record with the same sender and key is an offence, too
  --complete       so is a message between those of the publishers that none of them published
  --allow-gaps     what a gap names need not come
  --json           the result as one line of JSON

A second record of a key comes from the broker (the same edge's same number), from the same edge (a
retry) or from another one; they are counted apart. KAFKA_SECURITY_DIR is the folder of the
credentials for a secured Kafka.`;

export interface VerifyOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly logs: string;
  /** Undefined: what is there now, once. */
  readonly follow: { readonly forMs: number | undefined; readonly everyMs: number } | undefined;
  readonly strictKeys: boolean;
  readonly isComplete: boolean;
  readonly gapsAllowed: boolean;
  readonly isJson: boolean;
}

interface ReadyPlaces {
  readonly topic: string;
  readonly kafka: { readonly brokers: readonly string[] };
}

/** Undefined: the usage was asked for. Throws what is wrong with them. */
export function readVerifyOptions(args: readonly string[]): VerifyOptions | undefined {
  const values = valuesOf(args);
  if (values.help) return undefined;
  const isFollowed = values.follow || values.for !== undefined;
  return {
    ...placesOf(values),
    logs: values.logs,
    follow: isFollowed
      ? {
          forMs: values.for === undefined ? undefined : millis("for", values.for),
          everyMs: millis("every", values.every),
        }
      : undefined,
    strictKeys: values["strict-keys"],
    isComplete: values.complete,
    gapsAllowed: values["allow-gaps"],
    isJson: values.json,
  };
}

function valuesOf(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "ready-file": { type: "string", default: ".millrace/ready.json" },
      brokers: { type: "string" },
      topic: { type: "string" },
      logs: { type: "string", default: ".millrace/replay" },
      follow: { type: "boolean", default: false },
      for: { type: "string" },
      every: { type: "string", default: "5" },
      "strict-keys": { type: "boolean", default: false },
      complete: { type: "boolean", default: false },
      "allow-gaps": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return values;
}

function placesOf(values: ReturnType<typeof valuesOf>): Pick<VerifyOptions, "brokers" | "topic"> {
  const { brokers, topic } = values;
  if (brokers !== undefined && topic !== undefined) return { brokers: brokers.split(","), topic };
  const ready = JSON.parse(readFileSync(values["ready-file"], "utf8")) as ReadyPlaces;
  return { brokers: brokers?.split(",") ?? ready.kafka.brokers, topic: topic ?? ready.topic };
}

function millis(name: string, text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0)) throw new Error(`--${name} takes a number of seconds, not "${text}"`);
  return seconds * 1_000;
}
