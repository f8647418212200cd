import type { LogRecord } from "./port.ts";

/** Bytes of key, value and headers. */
export function bytesOf({
  key,
  value,
  headers,
}: Pick<LogRecord, "key" | "value" | "headers">): number {
  let sum = (key?.length ?? 0) + (value?.length ?? 0);
  for (const header of headers) sum += Buffer.byteLength(header.name) + header.value.length;
  return sum;
}
