import pino from "pino";

/**
 * Log lines as JSON, one event a line. Fields are ours: ids, counts, codes, positions. Tokens,
 * bodies and whatever a client wrote never go in, so that a log can be shown to anybody.
 */
export interface Logger {
  debug(fields: LogFields, event: string): void;
  info(fields: LogFields, event: string): void;
  warn(fields: LogFields, event: string): void;
  error(fields: LogFields, event: string): void;
}

export type LogFields = Readonly<Record<string, unknown>>;

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export function createLogger(options: { readonly name: string; readonly level: LogLevel }): Logger {
  return pino({ name: options.name, level: options.level }, pino.destination({ sync: false }));
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
