import { createHash, randomBytes } from "node:crypto";
import type { RedisHealth } from "../redis/redis-health.ts";
import type { Identity } from "./identity.ts";

/** What a ticket stands for: the token that bought it, and the page that may use it. */
export interface TicketHolder {
  readonly identity: Identity;
  /** Undefined: bought by no page, so no page may use it. */
  readonly origin: string | undefined;
}

export type TicketOutcome =
  | { readonly kind: "valid"; readonly holder: TicketHolder }
  /** Used, expired, or never given. */
  | { readonly kind: "unknown" }
  /** Where tickets are kept does not answer. */
  | { readonly kind: "unavailable" };

/** Of what is kept. One without a version is of the first, whose writers did not say it. */
const VERSION = 1;

const SECRET_BYTES = 32;
const GRAMMAR = /^[A-Za-z0-9_-]{43}$/;

/**
 * One-time tickets, for browsers that don't want a token in their WebSocket's headers. Redis has
 * them under the hash of the secret, so that whoever reads it there can use none. A ticket is looked
 * at as often as wanted and taken once, whichever edge is asked first.
 */
export class Tickets {
  readonly #redis: Pick<RedisHealth, "ask">;
  readonly #lifeMs: number;
  readonly #onUnreadable: () => void;

  constructor(
    redis: Pick<RedisHealth, "ask">,
    lifeMs: number,
    onUnreadable: () => void = () => undefined,
  ) {
    this.#redis = redis;
    this.#lifeMs = lifeMs;
    this.#onUnreadable = onUnreadable;
  }

  /** Undefined: it can't be kept at the moment. */
  async issue({ identity, origin }: TicketHolder): Promise<string | undefined> {
    const ticket = randomBytes(SECRET_BYTES).toString("base64url");
    const { user, rights, expiresAtMs } = identity;
    const text = JSON.stringify({ v: VERSION, user, rights, expiresAtMs, origin });
    const key = keyOf(ticket);
    const kept = await this.#redis.ask(key, (client) => client.set(key, text, "PX", this.#lifeMs));
    return kept === "OK" ? ticket : undefined;
  }

  look(ticket: string): Promise<TicketOutcome> {
    return this.#ask(ticket, (key) => this.#redis.ask(key, (client) => client.get(key)));
  }

  /** Gone with the answer: of two that take it at the same time one gets it. */
  take(ticket: string): Promise<TicketOutcome> {
    return this.#ask(ticket, (key) => this.#redis.ask(key, (client) => client.getdel(key)));
  }

  async #ask(
    ticket: string,
    read: (key: string) => Promise<string | null | undefined>,
  ): Promise<TicketOutcome> {
    if (!GRAMMAR.test(ticket)) return { kind: "unknown" };
    const text = await read(keyOf(ticket));
    if (text === undefined) return { kind: "unavailable" };
    if (text === null) return { kind: "unknown" };
    const holder = holderOf(text);
    if (holder === undefined) this.#onUnreadable();
    return holder === undefined ? { kind: "unknown" } : { kind: "valid", holder };
  }
}

function keyOf(ticket: string): string {
  return `mr:ticket:{${createHash("sha256").update(ticket).digest("base64url")}}`;
}

/** Undefined for what another version, or somebody else, has written there: who has it buys a new one. */
function holderOf(text: string): TicketHolder | undefined {
  try {
    const kept = JSON.parse(text) as Identity & { readonly origin?: string; readonly v?: number };
    const { v = VERSION, origin, ...identity } = kept;
    const isWhole = typeof identity.user === "string" && Array.isArray(identity.rights?.read);
    return v === VERSION && isWhole ? { identity, origin } : undefined;
  } catch {
    // Not even JSON.
    return undefined;
  }
}
