import { delay } from "@millrace/runtime";
import { CliFailure } from "./failure.ts";
import type { Invocation } from "./invocation.ts";
import { jsonFor, printable } from "./paint.ts";
import { rowsOf } from "./terminal-size.ts";

const AGAIN_MS = 1_000;
const TOP_LEFT = "\u001B[H";
const CLEAR_TO_LINE_END = "\u001B[K";
const CLEAR_BELOW = "\u001B[J";
const CLEAR_ALL = "\u001B[2J";
const HIDE_CURSOR = "\u001B[?25l";
const SHOW_CURSOR = "\u001B[?25h";

/** What is shown, for people and as the API's JSON. */
export interface Shown {
  readonly view: object;
  readonly text: () => string;
}

/**
 * Shows it once, or with `--watch` every second until Ctrl-C or until nobody reads it any more: on a terminal in one place, in a pipe
 * one below the other. The first look must succeed; later ones may fail and say so.
 */
export async function show(
  invocation: Invocation,
  isWatched: boolean,
  look: () => Promise<Shown>,
): Promise<void> {
  const first = await look();
  if (!isWatched) return invocation.answer(first.view, first.text);
  const { clock, interrupted, stdout } = invocation.surroundings;
  const end = new AbortController();
  void interrupted().then(() => end.abort());
  // Nobody reads it any more, as behind `head`.
  stdout.on("error", () => end.abort());
  const isDrawn = stdout.isTTY === true && !invocation.isJson;
  if (isDrawn) stdout.write(HIDE_CURSOR + CLEAR_ALL);
  let shown: Shown | CliFailure = first;
  try {
    while (!end.signal.aborted) {
      tell(invocation, shown, isDrawn);
      await delay(clock, AGAIN_MS, end.signal);
      shown = end.signal.aborted ? first : await lookAgain(look);
    }
  } finally {
    if (isDrawn) stdout.write(SHOW_CURSOR);
  }
}

async function lookAgain(look: () => Promise<Shown>): Promise<Shown | CliFailure> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof CliFailure) return error;
    throw error;
  }
}

function tell(invocation: Invocation, shown: Shown | CliFailure, isDrawn: boolean): void {
  if (shown instanceof CliFailure) {
    const message = printable(shown.message);
    return isDrawn ? draw(invocation, message) : invocation.tell(message);
  }
  if (isDrawn) return draw(invocation, shown.text());
  if (invocation.isJson) invocation.say(jsonFor(invocation.surroundings.stdout, shown.view));
  else invocation.say(`${shown.text()}\n`);
}

/** Over what stood there, so that nothing flickers. */
function draw({ surroundings }: Invocation, text: string): void {
  const lines = text.split("\n");
  // A line below the screen would move all of it up.
  const room = rowsOf(surroundings.stdout) - 3;
  const cut = lines.length > room ? [`… ${lines.length - room} more lines`] : [""];
  const body = [...lines.slice(0, room), ...cut, "Ctrl-C ends it."]
    .map((line) => `${line}${CLEAR_TO_LINE_END}`)
    .join("\n");
  surroundings.stdout.write(`${TOP_LEFT}${body}\n${CLEAR_BELOW}`);
}
