import { type EdgePlace, type EdgeStage, subscribe } from "./edge-stage.ts";
import { percentile } from "./percentile.ts";
import type { RawClient } from "./raw-client.ts";

/** What ordinary users have seen. */
export interface ChatReport {
  readonly published: number;
  readonly refused: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const PER_CONVERSATION = 10;
const EVERY_MS = 500;

/**
 * Ordinary users: ten in each conversation, each says something twice a second and notes how long
 * the others' words took. Everything they say carries the time in its body.
 */
export class Chatters {
  readonly #clients: readonly RawClient[];
  readonly #isKeyed: boolean;
  readonly #timers: NodeJS.Timeout[] = [];
  #asked = 0;
  readonly #answers: string[] = [];

  private constructor(clients: readonly RawClient[], isKeyed: boolean) {
    this.#clients = clients;
    this.#isKeyed = isKeyed;
  }

  /** They begin at once. */
  static async start(
    stage: EdgeStage,
    edge: EdgePlace,
    options: { readonly count: number; readonly isKeyed?: boolean },
  ): Promise<Chatters> {
    const { count, isKeyed = true } = options;
    const users = Array.from({ length: count }, (_, index) => `ordinary-${index}`);
    const clients = await Promise.all(users.map((user) => stage.connect(edge, user)));
    const chatters = new Chatters(clients, isKeyed);
    await Promise.all(
      clients.map((client, index) => subscribe(client, conversationOf(index), "live")),
    );
    for (const index of clients.keys()) chatters.#begin(index);
    return chatters;
  }

  get areAllThere(): boolean {
    return this.#clients.every(({ closeCode }) => closeCode === undefined);
  }

  /** All that was said has been answered, and heard by the others. */
  get isSettled(): boolean {
    const heard = this.#clients.reduce((sum, client, index) => {
      return sum + client.messages(conversationOf(index)).length;
    }, 0);
    const published = this.#answers.filter((t) => t === "pubd").length;
    return this.#answers.length === this.#asked && heard === published * PER_CONVERSATION;
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  report(): ChatReport {
    const tookMs = this.#clients.flatMap((client) => client.delaysMs);
    return {
      published: this.#answers.filter((t) => t === "pubd").length,
      refused: this.#answers.filter((t) => t === "err").length,
      p50Ms: Math.round(percentile(tookMs, 0.5)),
      p99Ms: Math.round(percentile(tookMs, 0.99)),
    };
  }

  #begin(index: number): void {
    // Not all in the same instant.
    const offsetMs = (index * EVERY_MS) / this.#clients.length;
    this.#timers.push(
      setTimeout(() => this.#timers.push(setInterval(() => this.#say(index), EVERY_MS)), offsetMs),
    );
  }

  #say(index: number): void {
    const client = this.#clients[index];
    if (client === undefined || client.closeCode !== undefined) return;
    const key = this.#isKeyed ? { key: `${index}-${this.#asked}` } : {};
    const body = `sent ${performance.now()}`;
    this.#asked++;
    void client
      .request({ t: "pub", c: conversationOf(index), ...key, body })
      .then(({ t }) => this.#answers.push(t));
  }
}

function conversationOf(index: number): string {
  return `room:ordinary-${Math.floor(index / PER_CONVERSATION)}`;
}
