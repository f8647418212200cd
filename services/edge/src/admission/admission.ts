import type { Clock, Logger } from "@millrace/runtime";
import { TOKEN_LEEWAY_MS } from "../connection/token-life.ts";
import { checkNoToken, checkQuery } from "./connect-query.ts";
import { type Headers, bearerOf, connectCredential } from "./credential.ts";
import type { SessionEntry, Sessions } from "../session/sessions.ts";
import { HandshakeLimits } from "./handshake-limits.ts";
import type { Identity } from "./identity.ts";
import { IssuerKeys } from "./issuer-keys.ts";
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
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sessions: Pick<Sessions, "enter" | "isStale">;
  readonly tickets: Tickets;
  /** With a log that is silent whoever came in could do nothing; those who are in stay. */
  readonly clients?: { readonly isLogSilent: boolean };
  /** Between two attempts to get the issuer's keys; 10 s by default. */
  readonly keysPauseMs?: number;
}

const PENDING_MAX = 1_000;
const LOG_RETRY_S = 5;

/** Of tokens that may use the admin port. */
const ADMIN_SCOPE = "millrace:admin";

/** Requests that open no connection, of one address. Servers publish for many users. */
const REQUESTS_PER_SEC = 1_000;

/** Resolves when the issuer's keys were asked for once; it admits also without them, nobody. */
export async function createAdmission(options: AdmissionOptions): Promise<Admission> {
  const { keysPauseMs: pauseMs } = options;
  const keys = new IssuerKeys({ ...options, ...(pauseMs !== undefined && { pauseMs }) });
  await keys.load();
  return new Checks(new TokenVerifier({ ...options, keys }), options);
}

/** Every check of docs/protocol.md §1 in its order, before the 101. */
class Checks implements Admission {
  readonly #clock: Clock;
  readonly #origins: ReadonlySet<string>;
  readonly #verifier: TokenVerifier;
  readonly #tickets: Tickets;
  readonly #sessions: AdmissionOptions["sessions"];
  readonly #clients: AdmissionOptions["clients"];
  readonly #connections: HandshakeLimits;
  readonly #requests: HandshakeLimits;
  #pending = 0;

  constructor(
    verifier: TokenVerifier,
    options: Pick<AdmissionOptions, "clock" | "origins" | "tickets" | "sessions" | "clients">,
  ) {
    const { clock, origins, tickets, sessions } = options;
    this.#clients = options.clients;
    this.#clock = clock;
    this.#origins = new Set(origins);
    this.#verifier = verifier;
    this.#tickets = tickets;
    this.#sessions = sessions;
    this.#connections = new HandshakeLimits(clock);
    this.#requests = new HandshakeLimits(clock, { handshakesPerSec: REQUESTS_PER_SEC });
  }

  async decide(request: ConnectRequest): Promise<Decision> {
    try {
      return await this.#pendingOne(() => this.#decide(request));
    } catch (cause) {
      if (!(cause instanceof RefusalError)) throw cause;
      return { kind: "refused", refusal: cause.refusal };
    }
  }

  identify(request: CheckedRequest): Promise<Identity> {
    return this.#pendingOne(async () => {
      this.#checkOrigin(request);
      checkNoToken(new URLSearchParams(request.query));
      const token = bearerOf(request.headers) ?? refuseToken("a token is needed");
      const identity = await this.#verifier.verify(token);
      this.#requests.handshake(request.address);
      return identity;
    });
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

  async #pendingOne<Result>(check: () => Promise<Result>): Promise<Result> {
    this.#pending++;
    try {
      if (this.#pending > PENDING_MAX) {
        throw new RefusalError({ status: 503, message: "too many handshakes", retryAfterS: 1 });
      }
      return await check();
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
    if (this.#clients?.isLogSilent === true) {
      const message = "the log can't be reached at the moment";
      throw new RefusalError({ status: 503, message, retryAfterS: LOG_RETRY_S });
    }
    const query = new URLSearchParams(request.query);
    this.#checkOrigin(request);
    const { device, session } = checkQuery(query);
    const credential = connectCredential(request, query);
    const proved =
      credential.kind === "token"
        ? await this.#verifier.verify(credential.text)
        : this.#holderOf(await this.#tickets.look(credential.text), request);
    this.#connections.handshake(request.address);
    const leave = this.#connections.enter(proved.user, request.address);
    const identity = device === undefined ? proved : { ...proved, device };
    try {
      const isTicket = credential.kind === "ticket";
      // Entering looks at the attempt itself; a ticket must not be taken for one that is stale.
      const isAskedFirst = isTicket || !request.isUpgrade;
      if (isAskedFirst && (await this.#sessions.isStale(identity, session))) refuseStale();
      if (!request.isUpgrade) return { kind: "admitted", identity, leave };
      // The last steps: whatever was refused before has left ticket and session as they were.
      if (isTicket) this.#holderOf(await this.#tickets.take(credential.text), request);
      const entry = (await this.#sessions.enter(identity, session)) ?? refuseStale();
      return { kind: "admitted", identity, leave, entry };
    } catch (cause) {
      leave();
      throw cause;
    }
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
    if (this.#clock.wallMs() >= identity.expiresAtMs + TOKEN_LEEWAY_MS) {
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
