/** 0 is done. */
export const EXIT = { failed: 1, wrongUse: 2, needsConfirmation: 3 } as const;

/** What ends a command: one sentence of what is wrong, one of what to do, and the exit code. */
export class CliFailure extends Error {
  override readonly name = "CliFailure";
  readonly advice: string;
  readonly exitCode: number;

  constructor(
    message: string,
    options: ErrorOptions & { readonly advice?: string; readonly exitCode?: number } = {},
  ) {
    super(message, options);
    this.advice = options.advice ?? "";
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}
