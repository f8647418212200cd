import { seededRandom } from "@millrace/runtime";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "@millrace/testkit";
import { Receiver } from "../../scripts/replay/receiver.ts";
import { type Published, Sender } from "../../scripts/replay/sender.ts";
import type { TokenFor } from "../../scripts/replay/wire.ts";
import { type Stored, type Told, judge, offsetOf, readTopic } from "@millrace/testkit/judge";

export interface SteadyLoadOptions {
  /** WebSocket addresses; everybody takes any of them, each time anew. */
  readonly edges: readonly string[];
  /** Where the judge reads the topic. */
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly tokenFor: TokenFor;
  readonly conversations: readonly string[];
  readonly senders: number;
  readonly receivers: number;
  readonly perSecond: number;
}

/** A message that a receiver got. */
interface Delivered {
  readonly atMs: number;
  /** Since the broker had it; both have the same wall clock. */
  readonly delayMs: number;
}

interface Acknowledged extends Published {
  readonly from: string;
  readonly atMs: number;
  /** From when it was first to be sent, however often it was refused or its line lost. */
  readonly waitMs: number;
}

/** Of publishes: from when each was first to be sent until its `pubd`, in ms. */
export interface PublishFigures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

export interface Verdict {
  readonly offences: readonly string[];
  /** Records beyond the first with the same key: an edge that was frozen may leave some. */
  readonly repeatedKeys: number;
  readonly stored: number;
}

const TICK_MS = 10;
const SETTLE_MS = 180_000;

/** So long after its line a receiver may take to be subscribed to everything. */
const SETTLED_MS = 1_000;

/**
 * Chat that goes on whatever breaks: senders that pipeline with `behind` and keys and send again
 * what was refused or left open, receivers that resume where the unbroken run ends. At its end the
 * judge of `npm run verify` compares the topic with what everybody was told.
 */
export class SteadyLoad {
  readonly #options: SteadyLoadOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), "millrace-load-"));
  readonly #senders: { readonly user: string; readonly sender: Sender }[] = [];
  readonly #receivers: { readonly file: string; readonly receiver: Receiver }[] = [];
  readonly #end = new AbortController();
  readonly acknowledged: Acknowledged[] = [];
  readonly #delivered: Delivered[] = [];
  /** When each key was first to be sent. */
  readonly #askedMs = new Map<string, number>();
  #sending: Promise<void> | undefined;
  #asked = 0;

  private constructor(options: SteadyLoadOptions) {
    this.#options = options;
    const { edges, conversations, tokenFor } = options;
    for (let number = 0; number < options.receivers; number++) {
      const file = join(this.#folder, `receiver-${number}.ndjson`);
      const base = { edges, tokenFor, random: seededRandom(number), conversations, file };
      const delivered = this.#delivered;
      const receiver: Receiver = new Receiver({
        ...base,
        user: `receiver-${number}`,
        onMessage: ({ ts = 0 }) => {
          // What was said before it came, or while it subscribed, waited for the receiver.
          if (ts < receiver.upSinceMs + SETTLED_MS) return;
          delivered.push({ atMs: performance.now(), delayMs: Date.now() - ts });
        },
      });
      this.#receivers.push({ file, receiver });
    }
    for (let number = 0; number < options.senders; number++) {
      const user = `sender-${number}`;
      const onPublished = (published: Published): void => this.#took(user, published);
      const base = { edges, tokenFor, random: seededRandom(1_000 + number), onPublished };
      this.#senders.push({ user, sender: new Sender({ ...base, user }) });
    }
  }

  /** Resolves when every receiver knows where its conversations begin, and messages flow. */
  static async start(options: SteadyLoadOptions): Promise<SteadyLoad> {
    const load = new SteadyLoad(options);
    const isReady = (): boolean => load.#receivers.every(({ receiver }) => receiver.isReady);
    await waitFor(isReady, { what: "the receivers are subscribed" });
    load.#sending = load.#send();
    await load.whenPublished(20);
    return load;
  }

  /** So many more acknowledged from now on, of these conversations or of any. */
  async whenPublished(more: number, conversations?: readonly string[]): Promise<void> {
    const counts = ({ c }: Acknowledged): boolean => conversations?.includes(c) ?? true;
    const before = this.acknowledged.length;
    const isThere = (): boolean => this.acknowledged.slice(before).filter(counts).length >= more;
    const what = `${more} more acknowledged of ${conversations?.join() ?? "any"}`;
    await waitFor(isThere, { what, timeoutMs: SETTLE_MS });
  }

  /** So many more acknowledged from now on, of each conversation. */
  async whenPublishedInEach(more: number): Promise<void> {
    await Promise.all(this.#options.conversations.map((c) => this.whenPublished(more, [c])));
  }

  /** Every receiver has got so many more. */
  async whenReceived(more: number): Promise<void> {
    const before = this.#receivers.map(({ receiver }) => receiver.received);
    const isThere = (): boolean =>
      this.#receivers.every(({ receiver }, at) => receiver.received >= (before[at] ?? 0) + more);
    await waitFor(isThere, { what: `${more} more delivered`, timeoutMs: SETTLE_MS });
  }

  /** The lines of all receivers, as a network that goes away; they come back by themselves. */
  dropReceivers(): void {
    for (const { receiver } of this.#receivers) receiver.drop();
  }

  /** Everybody's line, the senders' included: they spread over the edges that are there. */
  dropAll(): void {
    this.dropReceivers();
    for (const { sender } of this.#senders) sender.drop();
  }

  /** Nothing new is sent; what is open is settled, everything is delivered, and it is judged. */
  async judge(): Promise<Verdict> {
    this.#end.abort();
    await this.#sending;
    const isSettled = (): boolean => this.#senders.every(({ sender }) => sender.isIdle);
    await waitFor(isSettled, { what: "every publish is settled", timeoutMs: SETTLE_MS });
    const stored = await this.#read();
    const ends = new Map(stored.map(({ c, pos }) => [c, offsetOf(pos)]));
    const isDelivered = (): boolean =>
      this.#receivers.every(({ receiver }) =>
        [...ends].every(([c, end]) => offsetOf(receiver.position(c) ?? "") >= end),
      );
    // Something that never comes is the judge's to name.
    await waitFor(isDelivered, { what: "", timeoutMs: SETTLE_MS }).catch(() => undefined);
    await this.stop();
    const told = Object.fromEntries(
      this.#receivers.map(({ file }, number) => [`receiver ${number}`, framesIn(file)]),
    );
    const { offences, repeatedKeys } = judge({ stored, told, acknowledged: this.acknowledged });
    rmSync(this.#folder, { recursive: true, force: true });
    return {
      offences: offences.map(({ where, c, text }) => `${where}, ${c}: ${text}`),
      repeatedKeys,
      stored: stored.length,
    };
  }

  /** For a test that failed before it came to judge. */
  async stop(): Promise<void> {
    this.#end.abort();
    for (const { sender } of this.#senders) sender.end();
    await Promise.all(this.#receivers.map(({ receiver }) => receiver.end()));
  }

  /** Of what was acknowledged since then. */
  figuresSince(sinceMs: number): PublishFigures {
    const some = this.acknowledged.filter(({ atMs }) => atMs >= sinceMs);
    const sorted = some.map(({ waitMs }) => waitMs).toSorted((a, b) => a - b);
    const at = (share: number): number =>
      Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN) * 10) / 10;
    const perSecond = Math.round(some.length / ((performance.now() - sinceMs) / 1_000));
    return { perSecond, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1) };
  }

  /** The longest that a message took from the log to a receiver on a line that held, in ms. */
  longestDelaySince(sinceMs: number): number {
    return this.#delivered
      .filter(({ atMs }) => atMs >= sinceMs)
      .reduce((longest, { delayMs }) => Math.max(longest, delayMs), 0);
  }

  #took(from: string, published: Published): void {
    const atMs = performance.now();
    const waitMs = atMs - (this.#askedMs.get(published.key) ?? atMs);
    this.#askedMs.delete(published.key);
    this.acknowledged.push({ ...published, from, atMs, waitMs });
  }

  /**
   * As many as are due, in turn over senders and conversations; what would be more than a second's
   * worth of unanswered ones is left out, so that no trouble leaves a mountain behind.
   */
  async #send(): Promise<void> {
    const { conversations, perSecond } = this.#options;
    const startMs = performance.now();
    let leftOut = 0;
    while (!this.#end.signal.aborted) {
      const due = ((performance.now() - startMs) / 1_000) * perSecond - leftOut;
      for (; this.#asked < due; this.#asked++) {
        if (this.#asked - this.acknowledged.length >= perSecond) {
          leftOut += due - this.#asked;
          break;
        }
        const { sender } = this.#senders[this.#asked % this.#senders.length] ?? {};
        const turn = Math.floor(this.#asked / this.#senders.length);
        const c = conversations[turn % conversations.length] ?? "";
        const key = String(this.#asked);
        this.#askedMs.set(key, performance.now());
        sender?.publish({ c, key, body: `message ${key}` });
      }
      await sleep(TICK_MS);
    }
  }

  /** Of these conversations; the topic may have others. */
  async #read(): Promise<Stored[]> {
    const { brokers, topic, conversations } = this.#options;
    const [epoch = ""] = this.acknowledged[0]?.pos.split(".") ?? [];
    const stored = await readTopic({ brokers, topic, epoch });
    return stored.filter(({ c }) => conversations.includes(c));
  }
}

function framesIn(file: string): Told[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}
