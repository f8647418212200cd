/** Tails that were stopped, and may still be waiting for the log's last answer. */
export class Endings {
  readonly #ending = new Set<Promise<void>>();

  add(ended: Promise<void> | undefined): void {
    if (ended === undefined) return;
    this.#ending.add(ended);
    void ended.finally(() => this.#ending.delete(ended));
  }

  async whenOver(): Promise<void> {
    await Promise.all(this.#ending);
  }
}
