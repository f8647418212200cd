/** What the user sees: one line per step, and warnings that stand out. */
export interface Screen {
  /** A step that takes a moment; its line is written when it is done. */
  step<Result>(what: string, act: () => Promise<Result>): Promise<Result>;
  tell(line: string): void;
  warn(line: string): void;
  /** Some lines as they are. */
  show(text: string): void;
}

export interface ScreenOptions {
  readonly write: (text: string) => void;
  readonly nowMs: () => number;
  /** On a terminal a step shows from its beginning, and colours are understood. */
  readonly isTerminal: boolean;
}

const CLEAR_LINE = "\r\u001B[2K";

export function createScreen({ write, nowMs, isTerminal }: ScreenOptions): Screen {
  let pending: string | undefined;
  const line = (text: string): void => {
    if (!isTerminal || pending === undefined) return write(`${text}\n`);
    write(`${CLEAR_LINE}${text}\n… ${pending}`);
  };
  return {
    show: line,
    tell: (text) => line(`  ${text}`),
    warn: (text) => line(isTerminal ? `\u001B[33m! ${text}\u001B[0m` : `! ${text}`),
    step: async (what, act) => {
      const sinceMs = nowMs();
      pending = what;
      if (isTerminal) write(`… ${what}`);
      try {
        const result = await act();
        const took = `${((nowMs() - sinceMs) / 1000).toFixed(1)} s`;
        write(`${isTerminal ? CLEAR_LINE : ""}✓ ${what} (${took})\n`);
        return result;
      } catch (error) {
        write(`${isTerminal ? CLEAR_LINE : ""}✗ ${what}\n`);
        throw error;
      } finally {
        pending = undefined;
      }
    },
  };
}
