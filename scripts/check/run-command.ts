import { spawn } from "node:child_process";

export interface CommandResult {
  /** The exit code; 1 for a command that a signal ended. */
  readonly code: number;
  /** Standard output and error, as they came. */
  readonly output: string;
}

/** Runs a tool of node_modules/.bin to its end. Never rejects: a tool that is absent has code 1. */
export function runCommand(
  command: string,
  args: readonly string[],
  root: string,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(`${root}/node_modules/.bin/${command}`, args, {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1" },
    });
    const pieces: string[] = [];
    const keep = (piece: Buffer): void => void pieces.push(piece.toString());
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => resolve({ code: 1, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output: pieces.join("") }));
  });
}
