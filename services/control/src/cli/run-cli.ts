import { CommanderError } from "commander";
import { CliFailure, EXIT } from "./failure.ts";
import { printable } from "./paint.ts";
import { millrace } from "./program.ts";
import type { Surroundings } from "./surroundings.ts";

/** `millrace`, from its command line to its exit code. What is no CliFailure is a defect, and thrown. */
export async function runCli(surroundings: Surroundings): Promise<number> {
  const { args, stdout, stderr } = surroundings;
  // A reader that goes away, as `head` does, is no trouble of ours.
  for (const stream of [stdout, stderr]) stream.on("error", () => undefined);
  try {
    await millrace(surroundings).parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return endOf(error, surroundings);
    if (!(error instanceof CliFailure)) throw error;
    const lines = [error.message, error.advice].filter((line) => line !== "");
    stderr.write(`${lines.map(printable).join("\n")}\n`);
    return error.exitCode;
  }
}

/** Help that was asked for is told already; all else is wrong use. */
function endOf({ exitCode, code, message }: CommanderError, surroundings: Surroundings): number {
  if (exitCode === 0) return 0;
  if (code === "commander.help") return EXIT.wrongUse;
  const what = problemOf(message);
  const dot = /[.?)]$/.test(what) ? "" : ".";
  surroundings.stderr.write(`${printable(what)}${dot}\n${adviceFor(surroundings)}\n`);
  return EXIT.wrongUse;
}

/** Commander's own sentences, with the value in front where one is wrong. */
function problemOf(message: string): string {
  const text = message
    .replace(/^error: /, "")
    .replace(/\n\(Did you mean (.*)\?\)$/s, "; did you mean $1?")
    .replace(/^command-argument value '(.*)' is invalid for argument '(.*)'\. /s, "<$2> $1: ")
    .replace(/^option '(.*)' argument '(.*)' is invalid\. /s, "$1, $2: ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function adviceFor(surroundings: Surroundings): string {
  const names = new Set(millrace(surroundings).commands.map((command) => command.name()));
  const name = surroundings.args.find((arg) => names.has(arg));
  return `See millrace ${name === undefined ? "" : `${name} `}--help.`;
}
