import type { StartFrom } from "@millrace/client";
import { parseConversation } from "@millrace/schemas";
import { type Command, InvalidArgumentError, Option } from "commander";
import { collected, parseSeconds } from "./arguments.ts";
import { examples } from "./examples.ts";
import { Invocation } from "./invocation.ts";
import { send } from "./send.ts";
import { parseFrom, parseLast } from "./start-place.ts";
import type { Surroundings } from "./surroundings.ts";
import { tail } from "./tail.ts";

const PUBLISH_MS = 60_000;

/** What reads and writes a conversation as any client does, line by line. */
export function addPipes(program: Command, surroundings: Surroundings): void {
  program
    .command("tail")
    .description("a conversation's messages as NDJSON, until Ctrl-C")
    .argument("<conversation>", "its id", parseId)
    .addOption(
      new Option("--from <place>", "live (default), earliest, acked, a time, or a position")
        .argParser(parseFrom)
        .conflicts("last"),
    )
    .option("--last <n>", "so many of the newest first", parseLast)
    .option("--url <url>", "an edge or a load balancer; repeatable", collected)
    .addHelpText(
      "after",
      examples(
        program,
        "tail room:lobby --last 20",
        "tail room:lobby --from 2026-01-31T12:00Z | jq -r .body",
      ),
    )
    .action((conversation: string, options: TailWords, command: Command) =>
      tailAsTyped(new Invocation(surroundings, command), conversation, options),
    );
  program
    .command("send")
    .description("publish each line of the standard input (UTF-8), in order")
    .argument("<conversation>", "its id", parseId)
    .option(
      "--text",
      "each line is a body, save empty ones, which are skipped; else each is an object with body and, where wanted, key, type, meta, ref, op",
    )
    .option("--timeout <seconds>", "how long one may take (default 60)", parseSeconds)
    .option("--url <url>", "an edge or a load balancer; repeatable", collected)
    .addHelpText(
      "after",
      examples(
        program,
        'send room:lobby --text <<< "maintenance at noon"',
        "send room:copy < messages.ndjson > results.ndjson",
      ),
    )
    .action((conversation: string, options: SendWords, command: Command) =>
      sendAsTyped(new Invocation(surroundings, command), conversation, options),
    );
}

interface TailWords {
  readonly from?: StartFrom;
  readonly last?: StartFrom;
  readonly url?: readonly string[];
}

async function tailAsTyped(
  invocation: Invocation,
  conversation: string,
  { from, last, url = [] }: TailWords,
): Promise<void> {
  const urls = await invocation.clientUrls(url);
  return tail(invocation, { conversation, from: last ?? from ?? "live", urls });
}

interface SendWords {
  readonly text?: boolean;
  readonly timeout?: number;
  readonly url?: readonly string[];
}

async function sendAsTyped(
  invocation: Invocation,
  conversation: string,
  { text = false, timeout = PUBLISH_MS, url = [] }: SendWords,
): Promise<void> {
  const urls = await invocation.clientUrls(url);
  return send(invocation, { conversation, urls, isText: text, timeoutMs: timeout });
}

function parseId(text: string): string {
  if (parseConversation(text) !== undefined) return text;
  throw new InvalidArgumentError("it is no conversation id; room:lobby is one.");
}
