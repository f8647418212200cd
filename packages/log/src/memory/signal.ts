/** Wakes everybody who waits for the next change of something. */
export class Signal {
  #waiters = new Set<() => void>();

  fire(): void {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const resolve of waiters) resolve();
  }

  /** Resolves at the next change, or when the abort signal says that nobody waits any longer. */
  next(end: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiters;
      waiters.add(resolve);
      end.addEventListener("abort", () => {
        waiters.delete(resolve);
        resolve();
      });
    });
  }
}
