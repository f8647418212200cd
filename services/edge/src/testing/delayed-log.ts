import type { Log, ReadOutcome, ReadRequest } from "@millrace/log";
import { delay, systemClock } from "@millrace/runtime";

/** A log whose reads come late: so many milliseconds for each, by what is asked. */
export function delayedLog(log: Log, delayMs: (request: ReadRequest) => number): Log {
  const readFrom = async (request: ReadRequest): Promise<ReadOutcome> => {
    const outcome = await log.readFrom(request);
    await delay(systemClock, delayMs(request));
    return outcome;
  };
  return {
    get epoch() {
      return log.epoch;
    },
    onEpoch: (listener) => log.onEpoch(listener),
    open: (signal) => log.open(signal),
    close: (options) => log.close(options),
    bounds: (partition) => log.bounds(partition),
    offsetAtTime: (partition, timeMs) => log.offsetAtTime(partition, timeMs),
    append: (request) => log.append(request),
    readFrom,
  };
}
