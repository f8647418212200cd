/** A running timer; `cancel` of one that has fired does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * Time, as everything here sees it: given through the constructor, so that tests run on a fake one.
 * Durations are measured on the monotonic clock only; the wall clock may jump.
 */
export interface Clock {
  /** Monotonic milliseconds, from any origin. */
  nowMs(): number;
  /** Milliseconds since 1970, for people and for other machines. */
  wallMs(): number;
  after(delayMs: number, run: () => void): Timer;
  /** After the events that are already due: the end of the loop's turn. */
  endOfTurn(run: () => void): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  endOfTurn: (run) => {
    setImmediate(run);
  },
};

/** Resolves after a delay on the given clock, or at once when the signal aborts. Never rejects. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = clock.after(delayMs, finish);
    signal?.addEventListener("abort", finish);
  });
}

/** Rejects after that time; the work itself goes on. */
export async function within<Answer>(
  clock: Clock,
  timeoutMs: number,
  work: Promise<Answer>,
): Promise<Answer> {
  let timer: Timer | undefined;
  const expired = new Promise<never>((_, reject) => {
    const late = (): void => reject(new Error(`no answer within ${Math.round(timeoutMs)} ms`));
    timer = clock.after(Math.max(0, timeoutMs), late);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    timer?.cancel();
  }
}
