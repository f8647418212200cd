import type { Log } from "@millrace/log";

/**
 * A log that appends, and whose edge never hears of it once it is severed: as if the edge had died
 * between the append and the answer.
 */
export interface SeveredLog extends Log {
  isSevered: boolean;
  /** Appends that were swallowed whole, or only whose answers were. */
  keeps: "answers" | "appends";
}

export function severedLog(log: Log): SeveredLog {
  const severed: SeveredLog = {
    isSevered: false,
    keeps: "answers",
    get epoch() {
      return log.epoch;
    },
    onEpoch: (listener) => log.onEpoch(listener),
    open: (signal) => log.open(signal),
    close: (options) => log.close(options),
    bounds: (partition) => log.bounds(partition),
    offsetAtTime: (partition, timeMs) => log.offsetAtTime(partition, timeMs),
    readFrom: (request) => log.readFrom(request),
    append: (request) => {
      if (!severed.isSevered) return log.append(request);
      if (severed.keeps === "answers") log.append({ ...request, onOutcome: () => undefined });
    },
  };
  return severed;
}
