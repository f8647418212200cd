import type { Command } from "commander";

/** The lines below a command's options, as they would be typed. */
export function examples(parent: Command, ...lines: readonly string[]): string {
  const group = parent.parent === null ? "" : `${parent.name()} `;
  const typed = lines.map((line) => `  $ npx millrace ${group}${line}`);
  return `\nExamples:\n${typed.join("\n")}`;
}
