import { seededRandom } from "@millrace/runtime";
import { type WriteStream, createWriteStream, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bodySum } from "@millrace/testkit/judge";
import { type ChatLine } from "./chat-line.ts";
import { Receiver } from "./receiver.ts";
import { type Published, Sender } from "./sender.ts";

export interface ReplayOptions {
  readonly edges: readonly string[];
  readonly lines: readonly ChatLine[];
  /** As a multiple of the file's pace; undefined: as fast as it goes. */
  readonly speed: number | undefined;
  /** Of each conversation. */
  readonly receivers: number;
  /** The last of them loses its line again and again. */
  readonly churn: boolean;
  /** The first of them stops reading now and then. */
  readonly slow?: boolean;
  /** Where logs for `npm run verify` go; undefined: nothing is written. */
  readonly out: string | undefined;
  readonly seed: number;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly published: number;
  readonly total: number;
  readonly received: number;
  /** Publish to `pubd`, median of the newest thousand. */
  readonly publishMs: number;
}

export interface Report {
  readonly messages: number;
  readonly conversations: number;
  readonly senders: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly publishMsP50: number;
  readonly publishMsP99: number;
  readonly received: number;
  /** Every receiver has had as many messages as were published. */
  readonly isComplete: boolean;
}

const SENDERS_OPEN_MAX = 500;
const UNANSWERED_MAX = 2_000;
const POLL_MS = 5;
const PROGRESS_MS = 500;
const QUIET_MS = 60_000;
const SUBSCRIPTIONS_MAX = 400;
const CHURN_MS_MAX = 1_500;
const READING_MS_MAX = 10_000;
const RESTING_MS_MAX = 5_000;

/** Keys count up, also from one replay to the next. */
const KEYS_PER_MS = 1_000;

/** Sends a recorded chat through real WebSockets, one for each sender. */
export class Replay {
  readonly #options: ReplayOptions;
  readonly #random: () => number;
  readonly #senders = new Map<string, Sender>();
  readonly #receivers: Receiver[] = [];
  readonly #latenciesMs: number[] = [];
  readonly #publishedLog: WriteStream | undefined;
  #unanswered = 0;
  /** What is about to happen to receivers. */
  readonly #plans = new Map<Receiver, NodeJS.Timeout>();

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const { out } = options;
    if (out !== undefined) makeEmpty(out);
    this.#publishedLog = out === undefined ? undefined : logIn(out, "published");
  }

  async run(): Promise<Report> {
    this.#startReceivers();
    while (!this.#receivers.every(({ isReady }) => isReady)) await sleep(POLL_MS);
    const progress = setInterval(() => this.#tell(), PROGRESS_MS);
    const startMs = performance.now();
    await this.#sendAll(startMs);
    const seconds = (performance.now() - startMs) / 1_000;
    const isComplete = await this.#whenReceived();
    clearInterval(progress);
    for (const plan of this.#plans.values()) clearTimeout(plan);
    this.#tell();
    for (const sender of this.#senders.values()) sender.end();
    await Promise.all(this.#receivers.map((receiver) => receiver.end()));
    await new Promise<void>((resolve) => {
      if (this.#publishedLog === undefined) resolve();
      else this.#publishedLog.end(() => resolve());
    });
    return this.#report(seconds, isComplete);
  }

  async #sendAll(startMs: number): Promise<void> {
    const { lines, speed } = this.#options;
    const firstKey = Date.now() * KEYS_PER_MS;
    for (const [index, { conversation, at, sender, text }] of lines.entries()) {
      const dueMs = speed === undefined ? 0 : startMs + at / speed;
      while (performance.now() < dueMs) await sleep(Math.min(50, dueMs - performance.now()));
      while (this.#unanswered >= UNANSWERED_MAX) await sleep(POLL_MS);
      const from = await this.#sender(sender);
      this.#unanswered++;
      from.publish({ c: `room:${conversation}`, key: String(firstKey + index), body: text });
    }
    while (this.#unanswered > 0) await sleep(POLL_MS);
  }

  /** Sockets are kept while there is room; then the one that rests for the longest time goes. */
  async #sender(user: string): Promise<Sender> {
    const known = this.#senders.get(user);
    if (known === undefined) await this.#makeRoom();
    const { edges } = this.#options;
    const onPublished = (published: Published): void => this.#published(user, published);
    const sender = known ?? new Sender({ edges, user, random: this.#random, onPublished });
    this.#senders.delete(user);
    this.#senders.set(user, sender);
    return sender;
  }

  async #makeRoom(): Promise<void> {
    while (this.#senders.size >= SENDERS_OPEN_MAX) {
      const resting = [...this.#senders].find(([, { isIdle }]) => isIdle);
      if (resting === undefined) await sleep(POLL_MS);
      else {
        resting[1].end();
        this.#senders.delete(resting[0]);
      }
    }
  }

  #published(from: string, { c, key, pos, ts, body, ms }: Published): void {
    this.#unanswered--;
    this.#latenciesMs.push(ms);
    const line = { c, from, key, pos, ts, sum: bodySum(body) };
    this.#publishedLog?.write(`${JSON.stringify(line)}\n`);
  }

  #startReceivers(): void {
    const { receivers, edges, lines, out = ".", churn, slow = false } = this.#options;
    const all = [...new Set(lines.map(({ conversation }) => `room:${conversation}`))];
    for (let number = 0; number < receivers; number++) {
      for (let start = 0; start < all.length; start += SUBSCRIPTIONS_MAX) {
        const conversations = all.slice(start, start + SUBSCRIPTIONS_MAX);
        const file = join(out, `receiver-${number}-${start}.ndjson`);
        const user = `receiver-${number}`;
        const options = { edges, user, conversations, random: this.#random, file };
        const receiver = new Receiver(options);
        this.#receivers.push(receiver);
        if (churn && number === receivers - 1) this.#churn(receiver);
        else if (slow && number === 0) this.#rest(receiver);
      }
    }
  }

  #churn(receiver: Receiver): void {
    const drop = (): void => {
      receiver.drop();
      this.#churn(receiver);
    };
    this.#plans.set(receiver, setTimeout(drop, this.#random() * CHURN_MS_MAX));
  }

  /** Reads for a while, and then nothing for a while. */
  #rest(receiver: Receiver): void {
    const wake = (): void => {
      receiver.resume();
      this.#rest(receiver);
    };
    const rest = (): void => {
      receiver.pause();
      this.#plans.set(receiver, setTimeout(wake, this.#random() * RESTING_MS_MAX));
    };
    this.#plans.set(receiver, setTimeout(rest, this.#random() * READING_MS_MAX));
  }

  /** False when nothing came any more for a minute and something is missing. */
  async #whenReceived(): Promise<boolean> {
    const { receivers, lines } = this.#options;
    const wanted = lines.length * receivers;
    let last = { received: -1, atMs: performance.now() };
    for (;;) {
      const received = this.#received();
      if (received >= wanted) return true;
      if (received !== last.received) last = { received, atMs: performance.now() };
      if (performance.now() - last.atMs > QUIET_MS) return false;
      await sleep(POLL_MS * 10);
    }
  }

  #received(): number {
    return this.#receivers.reduce((sum, { received }) => sum + received, 0);
  }

  #tell(): void {
    const published = this.#latenciesMs.length;
    const total = this.#options.lines.length;
    const newest = this.#latenciesMs.slice(-1_000).toSorted((a, b) => a - b);
    const publishMs = Math.round(newest[newest.length >> 1] ?? 0);
    this.#options.onProgress({ published, total, received: this.#received(), publishMs });
  }

  #report(seconds: number, isComplete: boolean): Report {
    const { lines } = this.#options;
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
    const at = (share: number): number =>
      Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10;
    return {
      messages: sorted.length,
      conversations: new Set(lines.map(({ conversation }) => conversation)).size,
      senders: new Set(lines.map(({ sender }) => sender)).size,
      seconds: Math.round(seconds * 10) / 10,
      perSecond: Math.round(sorted.length / seconds),
      publishMsP50: at(0.5),
      publishMsP99: at(0.99),
      received: this.#received(),
      isComplete,
    };
  }
}

/** Logs of an earlier replay would be compared with this one. */
function makeEmpty(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    if (name.endsWith(".ndjson")) rmSync(join(folder, name));
  }
}

function logIn(folder: string, name: string): WriteStream {
  return createWriteStream(join(folder, `${name}.ndjson`));
}
