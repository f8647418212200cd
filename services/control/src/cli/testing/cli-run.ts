import { Readable } from "node:stream";
import type { Client, ConnectOptions } from "@millrace/client";
import { type Clock, systemClock } from "@millrace/runtime";
import { runCli } from "../run-cli.ts";
import type { FoundProduct, Output, Surroundings } from "../surroundings.ts";

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CliSetting {
  /** What is typed or piped. */
  readonly input?: string | Uint8Array;
  readonly stdin?: Readable;
  /** Hears what is written to the standard output, as it is written. */
  readonly onOut?: (text: string) => void;
  /** Nobody reads the standard output from then on. */
  readonly readerGone?: Promise<void>;
  /** In front of a terminal of that many columns; 0: one that does not know its size. */
  readonly columns?: number;
  readonly rows?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly interrupted?: Promise<void>;
  readonly connect?: (options: ConnectOptions) => Client;
  readonly findProduct?: (dataFolder: string | undefined) => FoundProduct;
}

/** Runs `millrace` in this process, as somebody at a terminal or a pipe would. */
export async function runMillrace(
  args: readonly string[],
  setting: CliSetting = {},
): Promise<CliRun> {
  const { columns, environment = {}, interrupted, findProduct } = setting;
  const stdout = new Recorder(columns, setting.onOut, setting.rows);
  void setting.readerGone?.then(() => stdout.lose());
  const stderr = new Recorder(columns);
  const typed = Readable.from(setting.input === undefined ? [] : [Buffer.from(setting.input)]);
  const surroundings: Surroundings = {
    args,
    environment,
    stdin: Object.assign(setting.stdin ?? typed, { isTTY: columns !== undefined }),
    stdout,
    stderr,
    clock: HASTY,
    connect: setting.connect ?? noClient,
    interrupted: () => interrupted ?? new Promise(() => undefined),
    ...(findProduct && { findProduct }),
  };
  const code = await runCli(surroundings);
  return { code, out: stdout.text, err: stderr.text };
}

/** The same as a line, by an operator who knows where control is and has a token. */
export function runAgainst(
  control: { readonly url: string },
  line: string,
  setting: CliSetting = {},
): Promise<CliRun> {
  const known = { MILLRACE_CONTROL: control.url, MILLRACE_TOKEN: "t" };
  const environment = { ...known, ...setting.environment };
  return runMillrace(line.split(" "), { ...setting, environment });
}

/** A Ctrl-C that a test types. */
export function ctrlC(): { readonly stop: () => void; readonly interrupted: Promise<void> } {
  const typed = new AbortController();
  const interrupted = new Promise<void>((resolve) => {
    typed.signal.addEventListener("abort", () => resolve());
  });
  return { stop: () => typed.abort(), interrupted };
}

function noClient(): Client {
  throw new Error("this command connects nobody");
}

/** What is done again every second is done again at once. */
const HASTY: Clock = { ...systemClock, after: (_delayMs, run) => systemClock.after(5, run) };

/** Keeps what is written; there is always room. */
class Recorder implements Output {
  readonly isTTY: boolean;
  readonly columns: number;
  readonly rows: number;
  readonly #onWrite: (text: string) => void;
  readonly #onLost: ((error: Error) => void)[] = [];
  text = "";

  constructor(
    columns: number | undefined,
    onWrite: (text: string) => void = () => undefined,
    rows = 24,
  ) {
    this.#onWrite = onWrite;
    this.isTTY = columns !== undefined;
    this.columns = columns ?? 0;
    this.rows = rows;
  }

  write(text: string): boolean {
    this.text += text;
    this.#onWrite(text);
    return true;
  }

  once(): void {
    // It is never full.
  }

  on(_event: "error", listener: (error: Error) => void): void {
    this.#onLost.push(listener);
  }

  lose(): void {
    for (const listener of this.#onLost) listener(new Error("EPIPE"));
  }
}
