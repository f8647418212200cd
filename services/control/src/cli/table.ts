import { type Paint, type Tone, printable } from "./paint.ts";

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** Numbers stand at the right, so that their digits are under each other. */
  readonly isNumber?: boolean;
  readonly tone?: (row: Row) => Tone | undefined;
  /** Left out where the table is too wide, the highest first; without it never. */
  readonly spare?: number;
  /** Before that its texts are cut, but not to fewer characters than these. */
  readonly cutTo?: number;
}

/** How a text is laid out for whoever reads it. */
export interface Layout {
  readonly width: number;
  readonly paint: Paint;
}

const GAP = "  ";

/** Aligned, and as wide as the terminal at most, if that can be had by leaving columns out. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { width, paint }: Layout,
): string {
  const all = columns.map((column) => filled(column, rows));
  const shown = fitting(all, width);
  const lines = [shown.map((column) => aligned(column, column.title)).join(GAP)];
  for (const [index, row] of rows.entries()) {
    const cells = shown.map((column) => {
      const text = aligned(column, column.cells[index] ?? "");
      return paint(column.tone?.(row), text);
    });
    lines.push(cells.join(GAP));
  }
  const titles = new Set(shown.map(({ title }) => title));
  const missing = all.map(({ title }) => title).filter((title) => !titles.has(title));
  const note = `(too narrow for ${missing.join(", ")}; --json has all)`;
  const [head = "", ...body] = lines.map((line) => line.trimEnd());
  return [paint("dim", head), ...body, ...(missing.length > 0 ? [note] : [])].join("\n");
}

interface Filled<Row> extends Column<Row> {
  readonly cells: readonly string[];
  readonly size: number;
}

function filled<Row>(column: Column<Row>, rows: readonly Row[]): Filled<Row> {
  const cells = rows.map((row) => printable(column.text(row)));
  const size = Math.max(...[column.title, ...cells].map(lengthOf));
  return { ...column, cells, size };
}

function fitting<Row>(columns: readonly Filled<Row>[], width: number): readonly Filled<Row>[] {
  const total = columns.reduce((sum, { size }) => sum + size + GAP.length, -GAP.length);
  const excess = total - width;
  if (excess <= 0) return columns;
  const cuttable = columns.find(({ size, cutTo = size }) => size - excess >= cutTo);
  if (cuttable !== undefined) {
    return columns.map((column) =>
      column === cuttable ? cut(column, column.size - excess) : column,
    );
  }
  const spares = columns.filter(({ spare }) => spare !== undefined);
  const [first] = spares.toSorted((a, b) => (b.spare ?? 0) - (a.spare ?? 0));
  if (first === undefined) return columns;
  return fitting(
    columns.filter((column) => column !== first),
    width,
  );
}

function cut<Row>(column: Filled<Row>, size: number): Filled<Row> {
  const cells = column.cells.map((cell) =>
    lengthOf(cell) <= size
      ? cell
      : `${Array.from(cell)
          .slice(0, size - 1)
          .join("")}…`,
  );
  return { ...column, cells, size };
}

function aligned<Row>({ size, isNumber = false }: Filled<Row>, text: string): string {
  const room = " ".repeat(Math.max(0, size - lengthOf(text)));
  return isNumber ? room + text : text + room;
}

/** In code points, which is what a terminal shows for most scripts. */
function lengthOf(text: string): number {
  return Array.from(text).length;
}
