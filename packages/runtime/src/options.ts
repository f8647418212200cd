/**
 * Options of a process, read from its environment once, at its start. A table of them is the one
 * place that says their names, types, defaults and meanings; the docs are written from it.
 */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** One option; without a default it must be given. */
export interface Option<Value> {
  /** What the docs call its type. */
  readonly type: string;
  /** One sentence without its full stop, for the docs. */
  readonly meaning: string;
  readonly fallback?: Value;
  /** The docs' words for the default. */
  readonly shownFallback: string;
  /** Its value never appears in a message. */
  readonly isSecret: boolean;
  /** The value, or what is wanted instead of the text. */
  readonly parse: (text: string) => Parsed<Value>;
}

export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly wanted: string };

export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Option<infer Value> ? Value : never;
};

export type ReadOptions<Table extends OptionTable> =
  | { readonly ok: true; readonly values: OptionValues<Table> }
  | { readonly ok: false; readonly problems: readonly string[] };

export type Environment = Readonly<Record<string, string | undefined>>;

interface Description<Value> {
  readonly meaning: string;
  readonly fallback?: Value;
  readonly isSecret?: boolean;
}

/** Any text that is not empty. */
const PORT_MAX = 65_535;
const ADDRESS = /^([^\s:,[\]]+|\[[\da-fA-F:.]+\]):\d{1,5}$/;

export function textOption(description: Description<string>): Option<string> {
  return option("text", description, (text) => ({ ok: true, value: text }));
}

/** A port; 0 lets the system choose. */
export function portOption(description: Description<number>): Option<number> {
  return option("port", description, wholeNumber({ min: 0, max: PORT_MAX }));
}

/** An address to listen on. */
export function addressOption(description: Description<string>): Option<string> {
  return option("host:port", description, (text) =>
    ADDRESS.test(text) && Number(text.slice(text.lastIndexOf(":") + 1)) <= PORT_MAX
      ? { ok: true, value: text }
      : { ok: false, wanted: "host:port; port 0 takes any free one" },
  );
}

/** A duration in whole milliseconds. */
export function millisecondsOption(
  description: Description<number> & { readonly min: number; readonly max: number },
): Option<number> {
  return option("ms", description, wholeNumber(description));
}

/** How many of something. */
export function countOption(
  description: Description<number> & { readonly min: number; readonly max: number },
): Option<number> {
  return option("count", description, wholeNumber(description));
}

export function booleanOption(description: Description<boolean>): Option<boolean> {
  return option("boolean", description, (text) =>
    text === "true" || text === "false"
      ? { ok: true, value: text === "true" }
      : { ok: false, wanted: "true or false" },
  );
}

/** Values separated by commas; what surrounds them is trimmed, empty ones are an error. */
export function listOption(
  description: Description<readonly string[]> & {
    readonly item: Pick<RegExp, "test">;
    readonly wanted: string;
  },
): Option<readonly string[]> {
  return option("list", description, (text) => {
    const items = text.split(",").map((item) => item.trim());
    const areGood = items.every((item) => description.item.test(item));
    return areGood ? { ok: true, value: items } : { ok: false, wanted: description.wanted };
  });
}

/**
 * A URL with one of the schemes, which are written as `https:`; where it may be a list, several with
 * commas between them, given on as they were written.
 */
export function urlOption(
  description: Description<string> & {
    readonly schemes: readonly string[];
    readonly isList?: boolean;
  },
): Option<string> {
  const { schemes, isList = false } = description;
  return option(isList ? "URL, or list" : "URL", description, (text) => {
    // A comma may also stand in a password.
    const urls = isList ? text.split(/,(?=\s*[a-z]+:\/\/)/) : [text];
    const areGood = urls.every(
      (url) => URL.canParse(url) && schemes.includes(new URL(url).protocol),
    );
    return areGood
      ? { ok: true, value: text }
      : { ok: false, wanted: `a URL that begins with ${schemes.join(" or ")}//` };
  });
}

/** The path of a folder; empty where none is given. */
export function folderOption(description: { readonly meaning: string }): Option<string> {
  const folder = option("folder", description, (text) => ({ ok: true, value: text }));
  return { ...folder, fallback: "" };
}

/** A URL of http(s), or else the path of a file. */
export function urlOrPathOption(description: Description<string>): Option<string> {
  return option("URL or path", description, (text) => ({ ok: true, value: text }));
}

/** One of a few words; `type` names them in the docs. */
export function choiceOption<Choice extends string>(
  description: Description<Choice> & {
    readonly type: string;
    readonly choices: readonly Choice[];
  },
): Option<Choice> {
  const { type, choices } = description;
  return option(type, description, (text) => {
    const value = choices.find((choice) => choice === text);
    return value === undefined ? { ok: false, wanted: choices.join(", ") } : { ok: true, value };
  });
}

/** `drainMs` under `EDGE_` is `EDGE_DRAIN_MS`; the `is` of a boolean is left out. */
export function variableName(prefix: string, name: string): string {
  const words = name.replace(/^is(?=[A-Z])/, "").replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_");
  return `${prefix}${words.toUpperCase()}`;
}

/**
 * All values, or all problems at once. A variable with the prefix that is no option is a problem:
 * a misspelt one would otherwise leave its default in force unseen. An empty one counts as absent.
 */
export function readOptions<Table extends OptionTable>(
  table: Table,
  { prefix, environment }: { readonly prefix: string; readonly environment: Environment },
): ReadOptions<Table> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(table)) {
    const variable = variableName(prefix, name);
    const result = readOption(variable, entry, environment[variable]);
    if (result.ok) values[name] = result.value;
    else problems.push(result.wanted);
  }
  problems.push(...unknownVariables(table, prefix, environment));
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, values: values as OptionValues<Table> };
}

/** Header and rows of the docs' table of the options. */
export function optionRows(table: OptionTable, prefix: string): string[][] {
  const rows = Object.entries(table).map(([name, { type, shownFallback, meaning }]) => [
    `\`${variableName(prefix, name)}\``,
    type,
    shownFallback,
    meaning,
  ]);
  return [["name", "type", "default", "meaning"], ...rows];
}

function option<Value>(
  type: string,
  { meaning, fallback, isSecret = false }: Description<Value>,
  parse: (text: string) => Parsed<Value>,
): Option<Value> {
  const shownFallback = showFallback(fallback);
  return {
    type,
    meaning,
    isSecret,
    parse,
    shownFallback,
    ...(fallback !== undefined && { fallback }),
  };
}

function showFallback(fallback: unknown): string {
  if (fallback === undefined) return "none";
  if (!Array.isArray(fallback)) return `\`${fallback as string | number | boolean}\``;
  return fallback.length === 0 ? "empty" : `\`${fallback.join(",")}\``;
}

function wholeNumber({ min, max }: { readonly min: number; readonly max: number }) {
  return (text: string): Parsed<number> => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= min && value <= max
      ? { ok: true, value }
      : { ok: false, wanted: `a whole number from ${min} to ${max}` };
  };
}

function readOption(
  variable: string,
  { type, meaning, fallback, isSecret, parse }: Option<unknown>,
  text = "",
): Parsed<unknown> {
  if (text === "") {
    if (fallback !== undefined) return { ok: true, value: fallback };
    return { ok: false, wanted: `${variable} is missing (${type}): ${meaning}` };
  }
  const result = parse(text);
  if (result.ok) return result;
  const shown = isSecret ? "(not shown)" : JSON.stringify(text);
  return { ok: false, wanted: `${variable} is ${shown}; wanted: ${result.wanted}` };
}

function unknownVariables(table: OptionTable, prefix: string, environment: Environment): string[] {
  const known = new Set(Object.keys(table).map((name) => variableName(prefix, name)));
  return Object.keys(environment)
    .filter((variable) => variable.startsWith(prefix) && !known.has(variable))
    .map((variable) => `${variable} is no option; the options are listed in docs/operations.md`);
}
