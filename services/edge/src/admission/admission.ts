import type { Clock, Logger } from "@millrace/runtime";
import {
  BEARER_SUBPROTOCOL_PREFIX,
  type DeviceName,
  SUBPROTOCOL,
  parseDeviceName,
} from "@millrace/schemas";
import { HandshakeLimits } from "./handshake-limits.ts";
import type { Identity } from "./identity.ts";
import { IssuerKeys } from "./issuer-keys.ts";
import { type Refusal, RefusalError, refuse, refuseToken } from "./refusal.ts";
import { TokenVerifier } from "./token-verifier.ts";

/** What of an HTTP request the checks look at; read before anything is awaited. */
export interface ConnectRequest {
  readonly isUpgrade: boolean;
  readonly address: string;
  readonly query: string;
  /** By lower-case name; a header that came twice has two values. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
}

export type Decision =
  | {
      readonly kind: "admitted";
      readonly identity: Identity;
      /** Gives the connection's place back; call it once the connection has ended, or never was. */
      readonly leave: () => void;
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** What became of a token that came over an open connection. */
export type Renewal =
  | { readonly kind: "proved"; readonly identity: Identity }
  | { readonly kind: "refused"; readonly message: string };

export interface Admission {
  decide(request: ConnectRequest): Promise<Decision>;
  /** Judges a token as the handshake does; rejects only for a defect. */
  renew(token: string): Promise<Renewal>;
}

export interface AdmissionOptions {
  readonly issuer: string;
  readonly jwks: string;
  readonly audience: string;
  readonly origins: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between two attempts to get the issuer's keys; 10 s by default. */
  readonly keysPauseMs?: number;
}

const PENDING_MAX = 1_000;
const TOKEN_PARAMETERS = ["token", "access_token", "jwt"];
const KNOWN_PARAMETERS = ["session", "attempt", "restore", "device", "ticket"];
const SESSION = /^[A-Za-z0-9_-]{1,64}$/;
const ATTEMPT = /^(?:0|[1-9]\d{0,14})$/;

/** Resolves when the issuer's keys were asked for once; it admits also without them, nobody. */
export async function createAdmission(options: AdmissionOptions): Promise<Admission> {
  const { clock, origins } = options;
  const { keysPauseMs: pauseMs } = options;
  const keys = new IssuerKeys({ ...options, ...(pauseMs !== undefined && { pauseMs }) });
  await keys.load();
  const verifier = new TokenVerifier({ ...options, keys });
  const limits = new HandshakeLimits(clock);
  return new Checks({ origins: new Set(origins), verifier, limits });
}

/** Every check of docs/protocol.md §1 in its order, before the 101. */
class Checks implements Admission {
  readonly #origins: ReadonlySet<string>;
  readonly #verifier: TokenVerifier;
  readonly #limits: HandshakeLimits;
  #pending = 0;

  constructor(parts: {
    readonly origins: ReadonlySet<string>;
    readonly verifier: TokenVerifier;
    readonly limits: HandshakeLimits;
  }) {
    this.#origins = parts.origins;
    this.#verifier = parts.verifier;
    this.#limits = parts.limits;
  }

  async decide(request: ConnectRequest): Promise<Decision> {
    this.#pending++;
    try {
      return await this.#decide(request);
    } catch (cause) {
      if (!(cause instanceof RefusalError)) throw cause;
      return { kind: "refused", refusal: cause.refusal };
    } finally {
      this.#pending--;
    }
  }

  async renew(token: string): Promise<Renewal> {
    try {
      return { kind: "proved", identity: await this.#verifier.verify(token) };
    } catch (cause) {
      if (!(cause instanceof RefusalError)) throw cause;
      return { kind: "refused", message: cause.refusal.message };
    }
  }

  async #decide(request: ConnectRequest): Promise<Decision> {
    if (this.#pending > PENDING_MAX) {
      throw new RefusalError({ status: 503, message: "too many handshakes", retryAfterS: 1 });
    }
    this.#checkOrigin(request);
    const device = checkQuery(new URLSearchParams(request.query));
    const token = credentialOf(request);
    if (token === undefined) refuseToken("a token is needed");
    const proved = await this.#verifier.verify(token);
    const identity = device === undefined ? proved : { ...proved, device };
    this.#limits.handshake(request.address);
    const leave = this.#limits.enter(identity.user, request.address);
    return { kind: "admitted", identity, leave };
  }

  #checkOrigin({ headers }: ConnectRequest): void {
    const origins = headers.get("origin");
    if (origins === undefined) return;
    const [origin] = origins;
    const isAllowed = origins.length === 1 && origin !== undefined && this.#origins.has(origin);
    if (!isAllowed) refuse(403, "this origin is not allowed");
  }
}

function checkQuery(query: URLSearchParams): DeviceName | undefined {
  for (const name of TOKEN_PARAMETERS) {
    if (query.has(name)) refuse(400, "a token in the query string would end up in logs");
  }
  for (const name of KNOWN_PARAMETERS) {
    if (query.getAll(name).length > 1) refuse(400, `${name} stands twice in the query`);
  }
  checkSpelling(query, "session", SESSION);
  checkSpelling(query, "attempt", ATTEMPT);
  checkSpelling(query, "restore", /^[01]$/);
  const text = query.get("device");
  if (text === null) return undefined;
  return parseDeviceName(text) ?? refuse(400, "device is 1 to 64 of A-Z a-z 0-9 . _ -");
}

function checkSpelling(query: URLSearchParams, name: string, grammar: RegExp): void {
  const text = query.get(name);
  if (text !== null && !grammar.test(text)) refuse(400, `${name} is malformed`);
}

/** The header, or else the second sub-protocol; checks that our sub-protocol is offered at all. */
function credentialOf({ headers, isUpgrade, query }: ConnectRequest): string | undefined {
  const offered = (headers.get("sec-websocket-protocol") ?? [])
    .flatMap((value) => value.split(","))
    .map((value) => value.trim());
  if (isUpgrade && !offered.includes(SUBPROTOCOL)) {
    refuse(400, `the sub-protocol ${SUBPROTOCOL} must be offered`);
  }
  const authorization = headers.get("authorization");
  if (authorization !== undefined) {
    const [value = ""] = authorization;
    const token = /^bearer +([^\s]+)$/i.exec(value)?.[1];
    if (token === undefined || authorization.length > 1) {
      refuseToken("Authorization is no single bearer token", "invalid_token");
    }
    return token;
  }
  const bearer = offered.find((protocol) => protocol.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  if (bearer !== undefined) return bearer.slice(BEARER_SUBPROTOCOL_PREFIX.length);
  if (new URLSearchParams(query).has("ticket")) refuseToken("no such ticket", "invalid_token");
  return undefined;
}
