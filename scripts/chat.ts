import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Interface, createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { type Client, type MillraceError, connect } from "@millrace/client/node";
import { Terminal } from "./chat/terminal.ts";
import type { ReadyFile } from "./start/ready-file.ts";
import { signToken } from "./token.mjs";

const USAGE = `npm run chat -- --as USER [options] CONVERSATION

A terminal chat: what you type is published, what is published is shown. Ctrl-C ends it. With a pipe
as input every line is published, and it ends when all of them are stored.

  --as USER    who you are; the token is made by the local development issuer
  --url URL    an edge; repeatable (default: the load balancers of the running npm start, or else its
               edges)
  --data DIR   the folder that npm start was given (default .millrace)
  --last N     so many of the newest messages are shown first, 0 to 1000 (default 20)
  --help       this text

For example: npm run chat -- --as alice room:lobby`;

const LINES_UNDER_WAY_MAX = 500;

/** For what was stored to be shown, too, before a pipe's chat ends. */
const SHOWN_MS_MAX = 2_000;

/** What can't be done as asked; the message says why. */
class ChatUsageError extends Error {
  override readonly name = "ChatUsageError";
}

interface Command {
  readonly user: string;
  readonly conversation: string;
  readonly place: Place;
  readonly last: number;
}

interface Place {
  readonly urls: readonly string[];
  /** PEM of the authority that is trusted there; the system's, where there is none. */
  readonly ca?: string;
}

function commandOf(args: readonly string[]): Command | undefined {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      as: text,
      url: { type: "string", multiple: true },
      data: { type: "string", default: ".millrace" },
      last: { type: "string", default: "20" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  const [conversation, ...others] = positionals;
  if (values.as === undefined) throw new ChatUsageError("--as is missing: who are you?");
  if (conversation === undefined || others.length > 0) {
    throw new ChatUsageError("one conversation is needed, for example room:lobby");
  }
  const last = Number(values.last);
  if (!/^\d+$/.test(values.last) || last > 1_000) {
    throw new ChatUsageError(`--last ${values.last}: a whole number from 0 to 1000 is needed`);
  }
  const place = values.url === undefined ? runningProduct(values.data) : { urls: values.url };
  return { user: values.as, conversation, place, last };
}

function runningProduct(data: string): Place {
  const file = join(data, "ready.json");
  try {
    const { edges, proxy = [] } = JSON.parse(readFileSync(file, "utf8")) as ReadyFile;
    const [balancer] = proxy;
    if (balancer === undefined) return { urls: edges.map(({ ws }) => ws) };
    return { urls: proxy.map(({ ws }) => ws), ca: readFileSync(balancer.caFile, "utf8") };
  } catch (cause) {
    const what = `no running product was found (${file}); start it with npm start, or give --url`;
    throw new ChatUsageError(what, { cause });
  }
}

/** Resolves with the exit code. */
async function chat(command: Command): Promise<number> {
  const { user, conversation, place, last } = command;
  const terminal = new Terminal({ user, output: process.stdout, input: process.stdin });
  const lines = createInterface({ input: process.stdin, terminal: false });
  const end = new AbortController();
  const stop = (code: number): void => end.abort(code);
  const client = connect({
    url: place.urls,
    ...(place.ca !== undefined && { ca: place.ca }),
    token: () => signToken({ user, read: [conversation], write: [conversation] }),
    onState: (state) => {
      terminal.tellState(state);
      if (state.kind === "stopped") stop(1);
    },
  });
  client.subscribe(conversation, {
    from: last === 0 ? "live" : { last },
    onMessage: (message) => terminal.tellMessage(message),
    onGap: (gap) => terminal.tellGap(gap),
    onError: (error, { isEnded }) => {
      terminal.tellProblem(`${conversation}: ${error.message} (${error.code})`);
      if (isEnded) stop(1);
    },
  });
  process.once("SIGINT", () => stop(0));
  process.once("SIGTERM", () => stop(0));
  void publishLines(lines, { client, conversation, terminal }).then(stop);
  if (!end.signal.aborted) await once(end.signal, "abort");
  client.close();
  lines.close();
  return end.signal.reason as number;
}

/** Until the input ends and every line has its answer; resolves with the exit code. */
async function publishLines(
  lines: Interface,
  place: { readonly client: Client; readonly conversation: string; readonly terminal: Terminal },
): Promise<number> {
  const { client, conversation, terminal } = place;
  const underWay = new Set<Promise<void>>();
  let failures = 0;
  let last: string | undefined;
  const publish = async (line: string): Promise<void> => {
    try {
      const { pos } = await client.publish(conversation, line);
      last = pos;
    } catch (error) {
      const { code, message } = error as MillraceError;
      failures += 1;
      if (code !== "closed") terminal.tellProblem(`not sent: ${message} (${code})`);
    }
  };
  for await (const line of lines) {
    terminal.takeBackTypedLine();
    if (line === "") continue;
    const sending = publish(line).finally(() => underWay.delete(sending));
    underWay.add(sending);
    // A file can be read faster than the log takes it: the pipe waits meanwhile.
    if (underWay.size >= LINES_UNDER_WAY_MAX) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  await terminal.hasShown(last, SHOWN_MS_MAX);
  return failures === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  try {
    const command = commandOf(process.argv.slice(2));
    if (command !== undefined) return await chat(command);
    console.log(USAGE);
    return 0;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
}

process.exitCode = await main();
process.stdin.unref?.();
process.disconnect?.();
