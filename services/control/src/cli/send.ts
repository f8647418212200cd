import { createInterface } from "node:readline";
import type { Client, MillraceError, PublishOptions } from "@millrace/client";
import { CliFailure } from "./failure.ts";
import type { Invocation } from "./invocation.ts";
import { tellLine } from "./line-state.ts";
import { Pipe } from "./pipe.ts";

export interface SendOptions {
  readonly conversation: string;
  readonly urls: readonly string[];
  /** Each line is a body; else each is an object. */
  readonly isText: boolean;
  readonly timeoutMs: number;
}

const UTF_8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One line of the input, or what is wrong with it. */
type Line =
  | { readonly body: string; readonly options: PublishOptions }
  | { readonly problem: string };

/** A file is read faster than the log takes it: the input waits meanwhile. */
const UNDER_WAY_MAX = 256;

/** What a tail's lines have besides: they may be sent on as they are. */
const TOLD = new Set(["c", "pos", "id", "from", "to", "ts"]);

const NOT_UTF_8 = "it is not valid UTF-8";
const NO_BODY = "body is missing, or no text";
const BAD_LINE = 'an object is needed, such as {"body":"hello","key":"a key of your own"}';

/**
 * Publishes what stands on the standard input, in its order, and answers one NDJSON line for each
 * line in the same order. It fails when any of them failed.
 */
export async function send(invocation: Invocation, options: SendOptions): Promise<void> {
  const { connect, interrupted, stdin, stdout } = invocation.surroundings;
  // Bytes as they are, each a character: what is no UTF-8 must be found, and not be replaced.
  stdin.setEncoding("latin1");
  const lines = createInterface({ input: stdin, crlfDelay: Number.POSITIVE_INFINITY });
  let stopped: CliFailure | undefined;
  const stop = (failure: CliFailure): void => {
    stopped ??= failure;
    lines.close();
    stdin.destroy();
  };
  // Who does not want to hear the answers may still want the messages to be sent.
  const pipe = new Pipe(stdout, () => undefined);
  void interrupted().then(() => {
    stop(new CliFailure("Interrupted: what was read is sent, the rest is not."));
  });
  const client = connect({
    url: options.urls,
    token: invocation.token(),
    publishTimeoutMs: options.timeoutMs,
    onState: (state) => tellLine(invocation, state, stop),
  });
  try {
    const failures = await sendLines(lines, { client, pipe, options });
    if (stopped !== undefined) throw stopped;
    if (failures > 0) {
      const were = failures === 1 ? "was" : "were";
      throw new CliFailure(`${failures} of the lines ${were} not sent.`, {
        advice: "The results say why; sending the same key again never makes a second message.",
      });
    }
  } finally {
    client.close();
  }
}

/** Resolves with how many were not sent. */
async function sendLines(
  lines: AsyncIterable<string>,
  way: { readonly client: Client; readonly pipe: Pipe; readonly options: SendOptions },
): Promise<number> {
  const { client, pipe, options } = way;
  /** The answers that are still to be told, each behind the one before. */
  const untold: Promise<void>[] = [];
  let failures = 0;
  const tell = async (
    before: Promise<void> | undefined,
    result: Promise<Result>,
  ): Promise<void> => {
    await before;
    const answer = await result;
    if ("error" in answer) failures += 1;
    await pipe.write(answer);
    void untold.shift();
  };
  let number = 0;
  for await (const bytes of lines) {
    number += 1;
    if (bytes === "") continue;
    const line = lineOf(bytes, options);
    const result = publish(client, options.conversation, { line, number });
    untold.push(tell(untold.at(-1), result));
    if (untold.length >= UNDER_WAY_MAX) await untold[0];
  }
  await untold.at(-1);
  return failures;
}

type Result =
  | { readonly line: number; readonly pos: string; readonly key: string }
  | { readonly line: number; readonly error: { readonly code: string; readonly message: string } };

/** Never rejects. */
async function publish(
  client: Client,
  conversation: string,
  { line, number }: { readonly line: Line; readonly number: number },
): Promise<Result> {
  if ("problem" in line) {
    return { line: number, error: { code: "bad-line", message: line.problem } };
  }
  try {
    return { line: number, ...(await client.publish(conversation, line.body, line.options)) };
  } catch (error) {
    const { code, message, isUnknown } = error as MillraceError;
    return { line: number, error: { code, message, ...(isUnknown && { isUnknown }) } };
  }
}

/** Of bytes that are spelled in Latin-1. */
function lineOf(bytes: string, { isText }: SendOptions): Line {
  let text: string;
  try {
    text = UTF_8.decode(Buffer.from(bytes, "latin1"));
  } catch {
    // All that a fatal decoder throws.
    return { problem: NOT_UTF_8 };
  }
  return isText ? { body: text, options: {} } : parsedLine(text);
}

function parsedLine(text: string): Line {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The sentence for what is no object fits what is no JSON, too.
    return { problem: BAD_LINE };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { problem: BAD_LINE };
  }
  const { body, ...rest } = value as Record<string, unknown>;
  if (typeof body !== "string") return { problem: NO_BODY };
  return withOptions(body, rest);
}

function withOptions(body: string, rest: Readonly<Record<string, unknown>>): Line {
  const { key, type, meta, ref, op, ...others } = rest;
  const stranger = Object.keys(others).find((name) => !TOLD.has(name));
  if (stranger !== undefined)
    return { problem: `${JSON.stringify(stranger)} is no field of a message` };
  const texts = Object.entries({ key, type, ref, op });
  const wrong = texts.find(([, value]) => value !== undefined && typeof value !== "string");
  if (wrong !== undefined) return { problem: `${wrong[0]} has to be text` };
  if (op !== undefined && op !== "edit" && op !== "delete") {
    return { problem: "op has to be edit or delete" };
  }
  if (!areTexts(meta)) return { problem: "meta has to be an object of texts" };
  const given = Object.entries({ key, type, meta, ref, op }).filter(
    ([, value]) => value !== undefined,
  );
  return { body, options: Object.fromEntries(given) as PublishOptions };
}

function areTexts(meta: unknown): boolean {
  if (meta === undefined) return true;
  if (typeof meta !== "object" || meta === null || Array.isArray(meta)) return false;
  return Object.values(meta).every((value) => typeof value === "string");
}
