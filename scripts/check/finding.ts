/** One breach of a house rule: where it is, and what to do about it. */
export interface Finding {
  /** Path from the project's root. */
  readonly file: string;
  /** Counted from 1; absent where the file as a whole is meant. */
  readonly line?: number;
  readonly message: string;
}

export function formatFinding({ file, line, message }: Finding): string {
  return line === undefined ? `${file}: ${message}` : `${file}:${line}: ${message}`;
}
