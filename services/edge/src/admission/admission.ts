import type { Clock, Logger } from "@millrace/runtime";
import { IssuerKeys, TOKEN_LEEWAY_MS } from "@millrace/runtime/tokens";
import { checkNoToken, checkQuery } from "./connect-query.ts";
import { type Credential, type Headers, bearerOf, connectCredential } from "./credential.ts";
import type { Rights } from "../rights/rights.ts";
import type { SessionEntry, Sessions } from "../session/sessions.ts";
import type { EdgeLimits } from "../limits.ts";
import type { LimitName } from "../limit-table.ts";
import { ClientAddresses } from "./client-address.ts";
import { HandshakeLimits } from "./handshake-limits.ts";
import type { Identity } from "./identity.ts";
import type { Newcomers } from "./newcomers.ts";
import { type Refusal, RefusalError, refuse, refuseToken } from "./refusal.ts";
import type { TicketOutcome, Tickets } from "./tickets.ts";
import { TokenVerifier } from "./token-verifier.ts";

/** What of an HTTP request the checks look at; read before anything is awaited. */
export interface CheckedRequest {
  readonly address: string;
  readonly query: string;
  readonly headers: Headers;
}

export interface ConnectRequest extends CheckedRequest {
  readonly isUpgrade: boolean;
}

export type Decision =
  | {
      readonly kind: "admitted";
      readonly identity: Identity;
      /** Of an upgrade only. */
      readonly entry?: SessionEntry;
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
  /** The same checks for a request that opens no connection. Throws a RefusalError. */
  identify(request: CheckedRequest): Promise<Identity>;
  /** Who an operator is, by the Authorization header. Throws a RefusalError. */
  identifyOperator(authorization: string | undefined): Promise<string>;
  /** Whether pages of all these origins may ask, of which there is at most one. */
  allows(origins: readonly string[] | undefined): boolean;
  /** Judges a token as the handshake does; rejects only for a defect. */
  renew(token: string): Promise<Renewal>;
}

export interface AdmissionOptions {
  readonly issuer: string;
  readonly jwks: string;
  readonly audience: string;
  readonly origins: readonly string[];
  /** Addresses and nets whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: EdgeLimits;
  readonly newcomers: Newcomers;
  /** Hears of each request that was refused for a limit. */
  readonly onLimited?: (limit: LimitName) => void;
  readonly sessions: Pick<Sessions, "enter" | "isStale">;
  readonly tickets: Tickets;
  /** With a log that is silent whoever came in could do nothing; those who are in stay. */
  readonly clients?: { readonly isLogSilent: boolean };
  readonly rights: Pick<Rights, "isBanned">;
  /** Between two attempts to get the issuer's keys; 10 s by default. */
  readonly keysPauseMs?: number;
}

const LOG_RETRY_S = 5;

/** Of tokens that may use the admin port. */
const ADMIN_SCOPE = "millrace:admin";

/** Resolves when the issuer's keys were asked for once; it admits also without them, nobody. */
export async function createAdmission(options: AdmissionOptions): Promise<Admission> {
  const { keysPauseMs: pauseMs } = options;
  const keys = new IssuerKeys({ ...options, ...(pauseMs !== undefined && { pauseMs }) });
  await keys.load();
  return new Checks(new TokenVerifier({ ...options, keys }), options);
}

/** Every check of docs/protocol.md §1 in its order, before the 101. */
class Checks implements Admission {
  readonly #options: AdmissionOptions;
  readonly #origins: ReadonlySet<string>;
  readonly #verifier: TokenVerifier;
  readonly #addresses: ClientAddresses;
  readonly #connections: HandshakeLimits;
  readonly #requests: HandshakeLimits;

  constructor(verifier: TokenVerifier, options: AdmissionOptions) {
    const { clock, limits } = options;
    this.#options = options;
    this.#origins = new Set(options.origins);
    this.#verifier = verifier;
    this.#addresses = new ClientAddresses(options.trustedProxies);
    this.#connections = new HandshakeLimits(clock, limits);
    const { requestsPerAddress: handshakesPerAddress } = limits;
    this.#requests = new HandshakeLimits(clock, { ...limits, handshakesPerAddress });
  }

  async decide(request: ConnectRequest): Promise<Decision> {
    const { newcomers } = this.#options;
    try {
      newcomers.checkRoom();
      return await newcomers.whilePending(() => this.#decide(request));
    } catch (cause) {
      if (!(cause instanceof RefusalError)) throw cause;
      const { refusal } = cause;
      this.#limited(refusal);
      return { kind: "refused", refusal };
    }
  }

  async identify(request: CheckedRequest): Promise<Identity> {
    try {
      return await this.#options.newcomers.whilePending(() => this.#identify(request));
    } catch (cause) {
      if (cause instanceof RefusalError) this.#limited(cause.refusal);
      throw cause;
    }
  }

  async #identify(request: CheckedRequest): Promise<Identity> {
    this.#checkOrigin(request);
    checkNoToken(new URLSearchParams(request.query));
    const token = bearerOf(request.headers) ?? refuseToken("a token is needed");
    this.#requests.handshake(this.#addressOf(request));
    return this.#unbanned(await this.#verifier.verify(token));
  }

  async identifyOperator(authorization: string | undefined): Promise<string> {
    const values = authorization === undefined ? [] : [["authorization", [authorization]] as const];
    const headers: Headers = new Map(values);
    const token = bearerOf(headers) ?? refuseToken("a token is needed");
    return this.#verifier.verifyScope(token, ADMIN_SCOPE);
  }

  allows(origins: readonly string[] | undefined): boolean {
    if (origins === undefined) return true;
    const [origin] = origins;
    return origins.length === 1 && origin !== undefined && this.#origins.has(origin);
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
    const { sessions, tickets, clients } = this.#options;
    if (clients?.isLogSilent === true) {
      const message = "the log can't be reached at the moment";
      throw new RefusalError({ status: 503, message, retryAfterS: LOG_RETRY_S });
    }
    const query = new URLSearchParams(request.query);
    this.#checkOrigin(request);
    const { device, session } = checkQuery(query);
    const credential = connectCredential(request, query);
    const address = this.#addressOf(request);
    // Before the credential: whoever asks too often shall not cost a look at it each time.
    this.#connections.handshake(address);
    const proved = this.#unbanned(await this.#proved(credential, request));
    // Others may have come while this one was looked at. From here to the places nothing waits.
    this.#options.newcomers.checkPlace();
    const places = [this.#connections.enter(proved.user, address), this.#options.newcomers.enter()];
    const leave = (): void => places.splice(0).forEach((giveBack) => giveBack());
    const identity = device === undefined ? proved : { ...proved, device };
    try {
      const isTicket = credential.kind === "ticket";
      // Entering looks at the attempt itself; a ticket must not be taken for one that is stale.
      const isAskedFirst = isTicket || !request.isUpgrade;
      if (isAskedFirst && (await sessions.isStale(identity, session))) refuseStale();
      if (!request.isUpgrade) return { kind: "admitted", identity, leave };
      // The last steps: whatever was refused before has left ticket and session as they were.
      if (isTicket) this.#holderOf(await tickets.take(credential.text), request);
      const entry = (await sessions.enter(identity, session)) ?? refuseStale();
      return { kind: "admitted", identity, leave, entry };
    } catch (cause) {
      leave();
      throw cause;
    }
  }

  /** A handshake's place is given back when nobody is proved: strangers use up none of them. */
  async #proved(credential: Credential, request: ConnectRequest): Promise<Identity> {
    const { newcomers, tickets } = this.#options;
    const giveBack = request.isUpgrade ? newcomers.handshake() : undefined;
    try {
      return credential.kind === "token"
        ? await this.#verifier.verify(credential.text)
        : this.#holderOf(await tickets.look(credential.text), request);
    } catch (cause) {
      giveBack?.();
      throw cause;
    }
  }

  #addressOf({ address, headers }: CheckedRequest): string {
    return this.#addresses.nameOf(address, headers);
  }

  #limited({ limit }: Refusal): void {
    if (limit !== undefined) this.#options.onLimited?.(limit);
  }

  #unbanned(identity: Identity): Identity {
    if (this.#options.rights.isBanned(identity.user)) refuse(403, "the user is banned");
    return identity;
  }

  /** Who bought the ticket, where it is good for this request. */
  #holderOf(outcome: TicketOutcome, { headers }: ConnectRequest): Identity {
    if (outcome.kind === "unavailable") {
      const message = "tickets can't be checked at the moment";
      throw new RefusalError({ status: 503, message, retryAfterS: 1 });
    }
    if (outcome.kind === "unknown") refuseToken("no such ticket", "invalid_token");
    const { identity, origin } = outcome.holder;
    const [asking] = headers.get("origin") ?? [];
    if (origin !== asking) refuseToken("the ticket is another origin's", "invalid_token");
    if (this.#options.clock.wallMs() >= identity.expiresAtMs + TOKEN_LEEWAY_MS) {
      refuseToken("the token that bought the ticket has expired", "invalid_token");
    }
    return identity;
  }

  #checkOrigin({ headers }: CheckedRequest): void {
    if (!this.allows(headers.get("origin"))) refuse(403, "this origin is not allowed");
  }
}

function refuseStale(): never {
  return refuse(409, "a newer connection has the session");
}
