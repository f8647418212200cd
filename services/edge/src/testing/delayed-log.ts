import type { Log, ReadOutcome, ReadRequest } from "@millrace/log";
import { delay, systemClock } from "@millrace/runtime";
import { wrappedLog } from "./wrapped-log.ts";

/** A log whose reads come late: so many milliseconds for each, by what is asked. */
export function delayedLog(log: Log, delayMs: (request: ReadRequest) => number): Log {
  const readFrom = async (request: ReadRequest): Promise<ReadOutcome> => {
    const outcome = await log.readFrom(request);
    await delay(systemClock, delayMs(request));
    return outcome;
  };
  return wrappedLog(log, { readFrom });
}
