import type { Log } from "@millrace/log";
import { wrappedLog } from "./wrapped-log.ts";

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
  const state: Pick<SeveredLog, "isSevered" | "keeps"> = { isSevered: false, keeps: "answers" };
  const severed = wrappedLog(log, {
    append: (request) => {
      if (!severed.isSevered) return log.append(request);
      if (severed.keeps === "answers") log.append({ ...request, onOutcome: () => undefined });
    },
  }) as SeveredLog;
  return Object.assign(severed, state);
}
