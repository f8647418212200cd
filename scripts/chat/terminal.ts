import type { ClientState, Gap, Message } from "@millrace/client/node";

export interface TerminalOptions {
  readonly user: string;
  readonly output: { readonly isTTY?: boolean; write(text: string): unknown };
  readonly input: { readonly isTTY?: boolean };
}

const DIM = "2";
const BOLD = "1";
const YELLOW = "33";
/** The line that was typed is written once more, with time and name, when the log has it. */
const REPLACE_TYPED_LINE = "\u001B[1A\u001B[2K";

/** What a person sees. Colours and cursor moves only where a terminal understands them. */
export class Terminal {
  readonly #options: TerminalOptions;
  #isReady = false;
  #shown: string | undefined;
  #onShown = (): void => undefined;

  constructor(options: TerminalOptions) {
    this.#options = options;
  }

  /** Resolves when the message at that position was the newest one shown, or after that time. */
  hasShown(position: string | undefined, mostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, mostMs);
      this.#onShown = () => {
        if (position !== undefined && this.#shown !== position) return;
        clearTimeout(timer);
        resolve();
      };
      this.#onShown();
    });
  }

  tellMessage({ from, body, ts, op, pos }: Message): void {
    const { user } = this.#options;
    const time = new Date(ts).toTimeString().slice(0, 5);
    const name = from === user ? this.#paint(BOLD, printable(from)) : printable(from);
    const mark = op === undefined ? "" : this.#paint(DIM, ` (${printable(op)})`);
    this.#line(`${this.#paint(DIM, time)} ${name}${mark}: ${printable(body)}`);
    this.#shown = pos;
    this.#onShown();
  }

  tellGap({ reason, missed }: Gap): void {
    const what = missed === null ? "some messages are" : `${missed} messages are`;
    this.#line(this.#paint(YELLOW, `— ${what} not available any more (${reason}) —`));
  }

  tellState(state: ClientState): void {
    if (state.kind === "ready") {
      const what = this.#isReady ? "connected again" : "connected";
      this.#line(this.#paint(DIM, `— ${what}: ${state.edge}, as ${printable(state.user)} —`));
      this.#isReady = true;
    } else if (state.kind === "waiting") {
      const inS = (state.retryInMs / 1000).toFixed(1);
      this.tellProblem(`${state.why.message}; again in ${inS} s`);
    } else if (state.kind === "stopped" && state.why.code !== "closed") {
      this.tellProblem(state.why.message);
    }
  }

  tellProblem(what: string): void {
    this.#line(this.#paint(YELLOW, `— ${what} —`));
  }

  /** The terminal shows what was typed already: called when a line of one's own was read. */
  takeBackTypedLine(): void {
    const { input, output } = this.#options;
    if (input.isTTY === true && output.isTTY === true) output.write(REPLACE_TYPED_LINE);
  }

  #line(text: string): void {
    this.#options.output.write(`${text}\n`);
  }

  #paint(code: string, text: string): string {
    return this.#options.output.isTTY === true ? `\u001B[${code}m${text}\u001B[0m` : text;
  }
}

/** Others' text must not steer the terminal: control characters are shown, not obeyed. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}
