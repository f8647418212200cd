import { posix } from "node:path";
import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";
import { lineAt } from "./source-files.ts";

const TRACES: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  { pattern: /(?<![\w.$}~/-])\/(?:home|Users|root|work)\/[\w.-]+/g, what: "a path of one machine" },
  { pattern: /\b[A-Z]:\\Users\\/g, what: "a path of one machine" },
  { pattern: /\bfile:\/\/\/(?!\$)[\w.]/g, what: "a path of one machine" },
  { pattern: /\b(?:TODO|FIXME|XXX)\b/g, what: "a note to oneself; do it, or write it down" },
];

/** Links out of the checkout lead nowhere for everybody else. */
const LEADS_UP = /(?<![\w/])(?:\.\.\/)+[\w.-]+/g;

/** What works on the machine it was written on, and on no other. */
export function machineTraces(project: Project): Finding[] {
  return [...project.files].flatMap(([file, text]) => [
    ...tracesIn(file, text),
    ...(file.endsWith(".md") ? leadsOut(file, text) : []),
  ]);
}

function tracesIn(file: string, text: string): Finding[] {
  // This file and its test have to spell what they look for.
  if (file.startsWith("scripts/check/machine-traces")) return [];
  return TRACES.flatMap(({ pattern, what }) =>
    [...text.matchAll(pattern)].map((match) => ({
      file,
      line: lineAt(text, match.index),
      message: `"${match[0]}" is ${what}`,
    })),
  );
}

function leadsOut(file: string, text: string): Finding[] {
  return [...text.matchAll(LEADS_UP)]
    .filter((match) => posix.join(posix.dirname(file), match[0]).startsWith(".."))
    .map((match) => ({
      file,
      line: lineAt(text, match.index),
      message: `"${match[0]}" leads out of the checkout`,
    }));
}
