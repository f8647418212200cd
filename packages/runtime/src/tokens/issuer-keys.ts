import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import { type JSONWebKeySet, type JWTVerifyGetKey, createLocalJWKSet, errors } from "jose";

export interface IssuerKeysOptions {
  /** A URL, or the path of a file. */
  readonly jwks: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between two attempts to get the keys; a rotation is noticed no later than after it. */
  readonly pauseMs?: number;
}

const PAUSE_MS = 10_000;
const REFRESH_EVERY_MS = 300_000;
const FETCH_TIMEOUT_MS = 3_000;
const BYTES_MAX = 262_144;

/**
 * The issuer's public keys (RFC 7517). They are got anew when a token names a key that is not among
 * them, but at most once per pause, so that made-up key ids cost nothing; and every five minutes,
 * so that a withdrawn key goes. While they can't be got, the known ones stay.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #resolve: JWTVerifyGetKey | undefined;
  #loading: Promise<void> | undefined;
  #loadedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  /** For `jwtVerify`: rejects with jose's own error where no key fits. */
  readonly keyFor: JWTVerifyGetKey = async (header, token) => {
    const { clock, pauseMs = PAUSE_MS } = this.#options;
    const ageMs = clock.nowMs() - this.#loadedAtMs;
    if (this.#resolve === undefined && (this.#loading || ageMs > pauseMs)) await this.load();
    else if (ageMs > REFRESH_EVERY_MS) void this.load();
    try {
      return await this.#known()(header, token);
    } catch (cause) {
      const isUnknown = cause instanceof errors.JWKSNoMatchingKey;
      const isTooSoon = clock.nowMs() - this.#loadedAtMs <= pauseMs;
      // Whoever comes while the keys are on their way waits for them.
      if (!isUnknown || (isTooSoon && this.#loading === undefined)) throw cause;
      await this.load();
      return this.#known()(header, token);
    }
  };

  /** Never rejects: what can't be got now is tried again later. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  #known(): JWTVerifyGetKey {
    if (this.#resolve === undefined) throw new errors.JWKSNoMatchingKey();
    return this.#resolve;
  }

  async #load(): Promise<void> {
    const { clock, logger, jwks } = this.#options;
    this.#loadedAtMs = clock.nowMs();
    try {
      const text = isUrl(jwks) ? await fetchText(jwks) : await readFile(pathOf(jwks), "utf8");
      this.#resolve = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
    } catch (cause) {
      logger.warn(
        { err: cause, jwks: shownPlace(jwks) },
        "the issuer's keys can't be read; the known ones stay",
      );
    }
  }
}

/** What stands before a `@` or behind a `?` may be a secret. */
function shownPlace(jwks: string): string {
  if (!isUrl(jwks)) return jwks;
  const { origin, pathname } = new URL(jwks);
  return origin + pathname;
}

function isUrl(jwks: string): boolean {
  return /^https?:\/\//.test(jwks);
}

function pathOf(jwks: string): string {
  return jwks.startsWith("file:") ? fileURLToPath(jwks) : jwks;
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`the answer was ${response.status}`);
  const text = await response.text();
  if (text.length > BYTES_MAX) throw new Error("the answer is too large");
  return text;
}
