import { waitFor } from "@millrace/testkit";
import { type Verdict, judge, offsetOf, readTopic } from "@millrace/testkit/judge";
import type { Balancer, Place } from "./balancer.ts";
import { Roamer } from "./roamer.ts";

export interface CrowdOptions {
  readonly edges: Balancer | readonly string[];
  readonly count: number;
  /** So that several crowds are not the same users. */
  readonly name: string;
  readonly tokenFor: (user: string) => Promise<string>;
  /** Each says something so often, in a conversation with nine others; never, where it is not given. */
  readonly everyMs?: number;
  /** So long each publish is tried. */
  readonly publishTimeoutMs?: number;
  /** PEM of who has signed the certificate of what stands before the edges. */
  readonly ca?: string;
}

export interface Goaway {
  readonly place: Place;
  readonly afterMs: number;
  readonly atMs: number;
}

const PER_CONVERSATION = 10;
const TOGETHER = 50;
const PATIENCE_MS = 120_000;

/** Many clients of the SDK that go where a balancer sends them, and what became of them. */
export class Crowd {
  readonly roamers: Roamer[] = [];
  readonly goaways: Goaway[] = [];
  /** When clients were welcomed again, by the monotonic clock. */
  readonly returnsMs: number[] = [];
  readonly refusals: { readonly status: number; readonly retryAfterS: number }[] = [];
  /** Of messages, from the broker's clock to the application; both have the same wall clock. */
  #longestDelayMs = 0;
  #heard = 0;
  readonly #options: CrowdOptions;
  readonly #tokens = new Map<string, Promise<string>>();
  readonly #timers: NodeJS.Timeout[] = [];

  private constructor(options: CrowdOptions) {
    this.#options = options;
  }

  /** Resolves when all are live; then they begin to talk. */
  static async gather(options: CrowdOptions): Promise<Crowd> {
    const crowd = new Crowd(options);
    while (crowd.roamers.length < options.count) {
      crowd.#add(Math.min(TOGETHER, options.count - crowd.roamers.length));
      await crowd.whenLive();
    }
    crowd.#talk();
    return crowd;
  }

  async whenLive(): Promise<void> {
    const areLive = (): boolean => this.roamers.every(({ isLive }) => isLive);
    await waitFor(areLive, { what: "everybody is live", timeoutMs: PATIENCE_MS });
  }

  /** Everything that was said until now is in the log. */
  async whenSettled(): Promise<void> {
    const wanted = this.roamers.map(({ acknowledged, pending }) => acknowledged.length + pending);
    const areSettled = (): boolean =>
      this.roamers.every(({ acknowledged }, at) => acknowledged.length >= (wanted[at] ?? 0));
    const what = "what was said is acknowledged";
    await waitFor(areSettled, { what, timeoutMs: PATIENCE_MS });
  }

  /** So many messages more have come to each of them, on the average. */
  async whenHeard(more: number): Promise<void> {
    const wanted = this.#heard + more * this.roamers.length;
    const what = `${more} more messages for everybody`;
    await waitFor(() => this.#heard >= wanted, { what, timeoutMs: PATIENCE_MS });
  }

  /** Until now, and from now on anew. */
  takeLongestDelay(): number {
    const longestDelayMs = this.#longestDelayMs;
    this.#longestDelayMs = 0;
    return longestDelayMs;
  }

  /** How often each had to connect again. */
  get reconnects(): number[] {
    return this.roamers.map(({ welcomes }) => welcomes - 1);
  }

  /** Nobody says anything more, all is answered and heard, and the topic is held against it. */
  async judge(place: {
    readonly brokers: readonly string[];
    readonly topic: string;
  }): Promise<Verdict> {
    this.#hush();
    const isAnswered = (): boolean => this.roamers.every(({ pending }) => pending === 0);
    await waitFor(isAnswered, { what: "every publish is answered", timeoutMs: PATIENCE_MS });
    const acknowledged = this.roamers.flatMap((roamer) => roamer.acknowledged);
    const ends = new Map<string, bigint>();
    for (const { c, pos } of acknowledged) {
      const offset = offsetOf(pos);
      if (offset > (ends.get(c) ?? 0n)) ends.set(c, offset);
    }
    const isHeard = (): boolean =>
      this.roamers.every(({ conversation, position }) => {
        return offsetOf(position) >= (ends.get(conversation) ?? 0n);
      });
    // Something that never comes is the judge's to name.
    await waitFor(isHeard, { what: "", timeoutMs: PATIENCE_MS }).catch(() => undefined);
    const [epoch = ""] = acknowledged[0]?.pos.split(".") ?? [];
    const names = new Set(this.roamers.map(({ conversation }) => conversation));
    const all = await readTopic({ ...place, epoch });
    const stored = all.filter(({ c }) => names.has(c));
    const told = Object.fromEntries(this.roamers.map((roamer) => [roamer.user, roamer.told]));
    return judge({ stored, told, acknowledged }, { strictKeys: true, isComplete: true });
  }

  close(): void {
    this.#hush();
    for (const { client } of this.roamers) client.close();
  }

  #add(count: number): void {
    const { edges, name, tokenFor, publishTimeoutMs, ca } = this.#options;
    const wishes = {
      ...(publishTimeoutMs !== undefined && { publishTimeoutMs }),
      ...(ca !== undefined && { ca }),
    };
    for (let added = 0; added < count; added++) {
      const index = this.roamers.length;
      const user = `${name}-${index}`;
      const token = (): Promise<string> => {
        const known = this.#tokens.get(user) ?? tokenFor(user);
        this.#tokens.set(user, known);
        return known;
      };
      const conversation = `room:${name}-${Math.floor(index / PER_CONVERSATION)}`;
      const watch = {
        goaway: (place: Place, afterMs: number) => {
          this.goaways.push({ place, afterMs, atMs: performance.now() });
        },
        opened: (isAgain: boolean) => {
          if (isAgain) this.returnsMs.push(performance.now());
        },
        refused: (status: number, retryAfterS: number) => {
          this.refusals.push({ status, retryAfterS });
        },
        delivered: (delayMs: number) => {
          this.#heard += 1;
          this.#longestDelayMs = Math.max(this.#longestDelayMs, delayMs);
        },
      };
      this.roamers.push(new Roamer({ user, conversation, edges, token, watch, ...wishes }));
    }
  }

  #talk(): void {
    const { everyMs } = this.#options;
    if (everyMs === undefined) return;
    for (const [index, roamer] of this.roamers.entries()) {
      // Not all in the same instant.
      const offsetMs = (index * everyMs) / this.roamers.length;
      const begin = (): number => this.#timers.push(setInterval(() => roamer.say(), everyMs));
      this.#timers.push(setTimeout(begin, offsetMs));
    }
  }

  #hush(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }
}

/** The most of these times that lie within so long of each other. */
export function mostWithin(timesMs: readonly number[], spanMs: number): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  let most = 0;
  let first = 0;
  for (const [index, timeMs] of sorted.entries()) {
    while (timeMs - (sorted[first] ?? timeMs) >= spanMs) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
