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

/** How deep the reasons of an error are followed. */
const CAUSES_MAX = 3;

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export function createLogger(options: { readonly name: string; readonly level: LogLevel }): Logger {
  const serializers = { err: (error: unknown) => errorFields(error, CAUSES_MAX) };
  return pino({ ...options, serializers }, pino.destination({ sync: false }));
}

/**
 * What it is and where it comes from, and nothing else that a library hangs on its errors: commands
 * with their arguments, requests with their headers.
 */
function errorFields(error: unknown, causes: number): LogFields {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name: type, message, stack, cause } = error;
  const { code } = error as { readonly code?: unknown };
  return {
    type,
    message,
    ...((typeof code === "string" || typeof code === "number") && { code }),
    stack,
    ...(cause !== undefined && causes > 0 && { cause: errorFields(cause, causes - 1) }),
  };
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
