import { CLOSES, ERRORS } from "../../schemas/src/error-table.ts";
import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";

const FILE = "docs/protocol.md";

/** The codes that the protocol names and those in the code's table are the same, both ways. */
export function protocolCodes(project: Project): Finding[] {
  const text = project.files.get(FILE);
  if (text === undefined) return [{ file: FILE, message: "is missing" }];
  const errors = compare(listedErrors(text), Object.keys(ERRORS));
  const closes = compare(listedCloses(text), Object.keys(CLOSES));
  return [...errors, ...closes].map((message) => ({ file: FILE, message }));
}

function compare(listed: readonly string[], known: readonly string[]): string[] {
  return [
    ...known.filter((code) => !listed.includes(code)).map((code) => `does not name ${code}`),
    ...listed
      .filter((code) => !known.includes(code))
      .map((code) => `names ${code}, which the error table does not have`),
  ];
}

/** From "Codes:" to the end of that sentence. */
function listedErrors(text: string): string[] {
  const sentence = /^`err`:.*?Codes: ([\s\S]*?`)\. /m.exec(text)?.[1] ?? "";
  return [...sentence.matchAll(/`([a-z-]+)`/g)].map((match) => match[1] ?? "");
}

/** The first column of the table of close codes. */
function listedCloses(text: string): string[] {
  const rows = text.split("\n").filter((line) => /^\| *\d{4}/.test(line));
  return rows.flatMap((row) => row.split("|")[1]?.match(/\d{4}/g) ?? []);
}
