import type { Command } from "commander";
import { ControlCalls } from "./control-calls.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { type Paint, colours, jsonFor, noPaint } from "./paint.ts";
import type { FoundProduct, Output, Surroundings } from "./surroundings.ts";
import type { Layout } from "./table.ts";
import { columnsOf } from "./terminal-size.ts";

/** The options that every command has. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly control?: string;
  readonly token?: string;
  readonly yes?: boolean;
  readonly color: boolean;
  readonly data?: string;
}

/** Who sends the results into a pipe reads all of them, however wide. */
const UNBOUNDED = Number.POSITIVE_INFINITY;

/** One run of one command: where it asks, as whom, and how it answers. */
export class Invocation {
  readonly surroundings: Surroundings;
  readonly #options: GlobalOptions;
  #product: FoundProduct | undefined;

  constructor(surroundings: Surroundings, command: Command) {
    this.surroundings = surroundings;
    this.#options = command.optsWithGlobals<GlobalOptions>();
  }

  get isJson(): boolean {
    return this.#options.json === true;
  }

  /** `--yes`. */
  get isConfirmed(): boolean {
    return this.#options.yes === true;
  }

  get isInteractive(): boolean {
    const { stdin, stderr } = this.surroundings;
    return stdin.isTTY === true && stderr.isTTY === true;
  }

  /** How results are laid out. */
  get layout(): Layout {
    return this.#layoutOn(this.surroundings.stdout);
  }

  /** How plans, questions and progress are laid out. */
  get asideLayout(): Layout {
    return this.#layoutOn(this.surroundings.stderr);
  }

  /** Results, for people or as the API's JSON. */
  answer(view: object, text: () => string): void {
    const { stdout } = this.surroundings;
    if (!this.isJson) return this.say(text());
    this.say(jsonFor(stdout, view, stdout.isTTY === true ? 2 : undefined));
  }

  say(text: string): void {
    this.surroundings.stdout.write(`${text}\n`);
  }

  /** Beside the results, so that a pipe has nothing but these. */
  tell(text: string): void {
    this.surroundings.stderr.write(`${text}\n`);
  }

  control(): ControlCalls {
    const { environment } = this.surroundings;
    const given = this.#options.control ?? nonEmpty(environment["MILLRACE_CONTROL"]);
    return new ControlCalls({ url: httpUrl(given ?? this.#found().control), token: this.token() });
  }

  /**
   * A token that the checkout makes is for the checkout's own product: another control gets only
   * what it was given.
   */
  token(): () => string {
    const { environment } = this.surroundings;
    const given = this.#options.token ?? nonEmpty(environment["MILLRACE_TOKEN"]);
    if (given !== undefined) return () => given;
    if (this.#isElsewhere()) {
      throw new CliFailure("No token is given for this control.", {
        advice: "Give an operator's token with MILLRACE_TOKEN or --token.",
        exitCode: EXIT.wrongUse,
      });
    }
    return this.#found().token;
  }

  /** Where clients connect: as given, as the checkout knows, or as control says. */
  async clientUrls(given: readonly string[]): Promise<readonly string[]> {
    const { environment } = this.surroundings;
    const fromEnvironment = nonEmpty(environment["MILLRACE_CLIENT_URLS"])?.split(",") ?? [];
    const named = given.length > 0 ? given : fromEnvironment;
    if (named.length > 0) return named;
    const own = this.#isElsewhere() ? [] : this.#found().clientUrls;
    if (own.length > 0) return own;
    const { urls } = await this.control().read<{ readonly urls: readonly string[] }>("/v1/entry");
    if (urls.length > 0) return urls;
    throw new CliFailure("Control does not know where clients connect.", {
      advice: "Name an edge or a load balancer with --url wss://HOST/v1/connect.",
    });
  }

  #isElsewhere(): boolean {
    const { environment } = this.surroundings;
    return (
      this.#options.control !== undefined || nonEmpty(environment["MILLRACE_CONTROL"]) !== undefined
    );
  }

  #found(): FoundProduct {
    const { findProduct } = this.surroundings;
    if (findProduct === undefined) {
      throw new CliFailure("It is not known where control is.", {
        advice: "Name it with MILLRACE_CONTROL or --control URL.",
        exitCode: EXIT.wrongUse,
      });
    }
    this.#product ??= findProduct(this.#options.data);
    return this.#product;
  }

  #layoutOn(output: Output): Layout {
    const isTerminal = output.isTTY === true;
    const width = isTerminal ? columnsOf(output) : UNBOUNDED;
    return { width, paint: isTerminal ? this.#paint() : noPaint };
  }

  /** https://no-color.org: the variable with any value but an empty one. */
  #paint(): Paint {
    const isPlain = !this.#options.color || nonEmpty(this.surroundings.environment["NO_COLOR"]);
    return isPlain ? noPaint : colours;
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === "" ? undefined : text;
}

function httpUrl(text: string): string {
  const isGood = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
  if (isGood) return text.replace(/\/+$/, "");
  throw new CliFailure(`${JSON.stringify(text)} is no address of control.`, {
    advice: "Give it as http://HOST:PORT or https://HOST.",
    exitCode: EXIT.wrongUse,
  });
}
