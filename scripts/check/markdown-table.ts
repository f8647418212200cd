/** The rows of the first table behind a heading or marker, header and rule left out. */
export function tableRows(text: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line, index) => isRow(line) && isRule(lines[index + 1] ?? ""));
  if (start === -1) return [];
  const rows: string[][] = [];
  for (const line of lines.slice(start + 2)) {
    if (!isRow(line)) break;
    rows.push(cellsOf(line));
  }
  return rows;
}

export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const rule = header.map(() => "---");
  return [header, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The same table however the formatter has padded it. */
export function normaliseTable(text: string): string {
  return text
    .trim()
    .split("\n")
    .map((line) => (isRow(line) ? cellsOf(line).map(shortRule).join(" | ") : line.trim()))
    .filter((line) => line !== "")
    .join("\n");
}

/** The text below a heading, up to the next heading of its level or above. */
export function sectionUnder(text: string, heading: string): string {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.includes(heading));
  if (start === -1) return "";
  const level = /^#+/.exec(lines[start] ?? "")?.[0].length ?? 1;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => (/^(#+) /.exec(line)?.[1]?.length ?? 9) <= level);
  return (end === -1 ? rest : rest.slice(0, end)).join("\n");
}

function isRow(line: string): boolean {
  return line.trim().startsWith("|");
}

function isRule(line: string): boolean {
  return /^\s*\|[\s|:-]+\|\s*$/.test(line);
}

function cellsOf(line: string): string[] {
  const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim());
}

function shortRule(cell: string): string {
  return /^:?-+:?$/.test(cell) ? "---" : cell;
}
