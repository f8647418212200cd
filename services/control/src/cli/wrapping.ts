import type { Layout } from "./table.ts";

/** Breaks a sentence between words where the terminal ends; the lines below the first are indented. */
export function wrapped(text: string, { width }: Layout, indent = 2): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    const longer = `${last} ${word}`;
    if (last !== undefined && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(lines.length === 0 ? word : " ".repeat(indent) + word);
  }
  return lines.join("\n");
}
