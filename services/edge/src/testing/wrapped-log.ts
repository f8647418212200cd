import type { Log } from "@millrace/log";

/** A log that does all but these things as the one within. */
export function wrappedLog(
  log: Log,
  own: Partial<Pick<Log, "append" | "readFrom" | "bounds">>,
): Log {
  return {
    get epoch() {
      return log.epoch;
    },
    get unusedPartitions() {
      return log.unusedPartitions;
    },
    onEpoch: (listener) => log.onEpoch(listener),
    open: (signal) => log.open(signal),
    close: (options) => log.close(options),
    bounds: (partition) => log.bounds(partition),
    offsetAtTime: (partition, timeMs) => log.offsetAtTime(partition, timeMs),
    append: (request) => log.append(request),
    readFrom: (request) => log.readFrom(request),
    ...own,
  };
}
