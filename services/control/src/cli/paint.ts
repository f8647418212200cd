import type { Output } from "./surroundings.ts";

export type Tone = "bad" | "warn" | "good" | "dim" | "strong";

const CODES: Readonly<Record<Tone, string>> = {
  bad: "31",
  warn: "33",
  good: "32",
  dim: "2",
  strong: "1",
};

/** Colours text, or leaves it as it is. */
export type Paint = (tone: Tone | undefined, text: string) => string;

export const noPaint: Paint = (_tone, text) => text;

export const colours: Paint = (tone, text) =>
  tone === undefined ? text : `\u001B[${CODES[tone]}m${text}\u001B[0m`;

/** Others' text must not steer the terminal: control characters are shown, not obeyed. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}

/** As a program reads it; on a terminal with escapes, where JSON itself would let others steer it. */
export function jsonFor(output: Output, value: object, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent);
  if (output.isTTY !== true) return text;
  return text.replaceAll(/[\u007F-\u009F\p{Bidi_Control}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
