import { randomBytes } from "node:crypto";
import type { Clock } from "@millrace/runtime";
import type { CloseCode, DeviceName, UserId } from "@millrace/schemas";
import type { SessionSignals } from "./session-signals.ts";
import type {
  ConnectionPlace,
  HeldSession,
  SessionStore,
  SessionView,
  TouchOutcome,
} from "./session-store.ts";

/** What a client asks for in the query of its connect. */
export interface SessionQuery {
  readonly sessionId?: string;
  readonly attempt: number;
  readonly isRestoring: boolean;
}

/** A session that a connection got before its 101. */
export interface SessionEntry {
  readonly sessionId: string;
  readonly connectionId: string;
  readonly attempt: number;
  readonly isResumed: boolean;
  /** To be restored: conversations, and after which position each was subscribed. */
  readonly subscriptions: ReadonlyMap<string, string>;
}

export interface SessionOwner {
  readonly user: UserId;
  readonly device?: DeviceName;
}

/** The connection that holds a session here. */
export interface SessionConnection {
  close(code: CloseCode): void;
}

export type EndOutcome = "ended" | "no-such-session" | "unavailable";

export interface SessionsOptions {
  readonly store: SessionStore;
  readonly signals: () => SessionSignals;
  readonly clock: Clock;
  readonly touchEveryMs: number;
  readonly saveEveryMs: number;
}

interface Held {
  readonly owner: SessionOwner;
  readonly entry: SessionEntry;
  readonly connection: SessionConnection;
  readonly sinceMs: number;
  lastActiveMs: number;
  touchedMs: number;
  isUsed: boolean;
  changes: Map<string, string | undefined>;
}

const ID_BYTES = 12;
const TICK_MS = 1_000;
const NONE: ReadonlyMap<string, string> = new Map();

/**
 * The sessions of the connections of this edge: got before the 101, kept in Redis while the
 * connection lives, given back at its end. Redis only has a view of them: a session that can't be
 * read counts as lost, and one that Redis has lost is there again at the next touch.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #held = new Map<string, Held>();
  readonly #saving = new Set<Held>();
  #isStopped = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#tick();
  }

  /** Whether that attempt would be refused; nothing is taken. */
  async isStale(owner: SessionOwner, { sessionId, attempt }: SessionQuery): Promise<boolean> {
    if (sessionId === undefined) return false;
    const { user, device } = owner;
    return (await this.#options.store.isStale({ user, device, sessionId, attempt })) === true;
  }

  /** The session of a new connection; undefined: the attempt is not higher than the last one. */
  async enter(owner: SessionOwner, query: SessionQuery): Promise<SessionEntry | undefined> {
    const { store, signals, clock } = this.#options;
    const { sessionId, attempt, isRestoring } = query;
    const [newSessionId, connectionId] = [randomId("s"), randomId("c")];
    const outcome = await store.accept({
      user: owner.user,
      device: owner.device,
      sessionId,
      newSessionId,
      attempt,
      conn: connectionId,
      edge: signals().channel,
      nowMs: clock.wallMs(),
      keepsSubscriptions: isRestoring,
    });
    if (outcome?.kind === "stale") return undefined;
    if (outcome?.kind === "resumed") {
      if (outcome.former !== undefined) this.#takeFrom(outcome.former);
      const { subscriptions } = outcome;
      const id = sessionId ?? newSessionId;
      return { sessionId: id, connectionId, attempt, isResumed: true, subscriptions };
    }
    const fresh = { attempt: 0, isResumed: false, subscriptions: NONE };
    return { sessionId: newSessionId, connectionId, ...fresh };
  }

  opened(owner: SessionOwner, entry: SessionEntry, connection: SessionConnection): void {
    const { clock } = this.#options;
    const [wallMs, nowMs] = [clock.wallMs(), clock.nowMs()];
    const times = { sinceMs: wallMs, lastActiveMs: wallMs, touchedMs: nowMs };
    const wishes = { isUsed: entry.subscriptions.size > 0, changes: new Map() };
    this.#held.set(entry.connectionId, { owner, entry, connection, ...times, ...wishes });
  }

  active(connectionId: string): void {
    const held = this.#held.get(connectionId);
    if (held !== undefined) held.lastActiveMs = this.#options.clock.wallMs();
  }

  /** Subscribed after that position; undefined: not subscribed any more. */
  subscribed(connectionId: string, conversation: string, start: string | undefined): void {
    const held = this.#held.get(connectionId);
    if (held === undefined) return;
    held.isUsed = true;
    held.changes.set(conversation, start);
    if (this.#saving.has(held)) return;
    this.#saving.add(held);
    this.#options.clock.after(this.#options.saveEveryMs, () => {
      this.#saving.delete(held);
      if (this.#held.get(connectionId) === held) void this.#touch(held, true);
    });
  }

  async closed(connectionId: string): Promise<void> {
    const held = this.#held.get(connectionId);
    if (held === undefined) return;
    this.#held.delete(connectionId);
    await this.#touch(held, false);
  }

  list(user: UserId): Promise<readonly SessionView[] | undefined> {
    return this.#options.store.list(user);
  }

  async end(user: UserId, sessionId: string): Promise<EndOutcome> {
    const ended = await this.#options.store.end(user, sessionId);
    if (ended === undefined) return "unavailable";
    if (ended === null) return "no-such-session";
    const { former } = ended;
    if (former === undefined) return "ended";
    if (former.edge === this.#options.signals().channel) this.close(former.conn, "ended");
    else await this.#options.signals().send("ended", former);
    return "ended";
  }

  /** Another has the session now, or nobody any more. */
  close(connectionId: string, why: Exclude<TouchOutcome, "mine">): void {
    const held = this.#held.get(connectionId);
    this.#held.delete(connectionId);
    held?.connection.close(why === "replaced" ? 4409 : 4403);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #takeFrom(former: ConnectionPlace): void {
    const { signals } = this.#options;
    if (former.edge === signals().channel) this.close(former.conn, "replaced");
    else void signals().send("replaced", former);
  }

  #tick(): void {
    const { clock, touchEveryMs } = this.#options;
    clock.after(TICK_MS, () => {
      if (this.#isStopped) return;
      const nowMs = clock.nowMs();
      for (const held of this.#held.values()) {
        if (nowMs - held.touchedMs >= touchEveryMs) void this.#touch(held, true);
      }
      this.#tick();
    });
  }

  async #touch(held: Held, isConnected: boolean): Promise<void> {
    const { store, signals, clock } = this.#options;
    const { owner, entry, sinceMs, lastActiveMs, isUsed, changes } = held;
    held.touchedMs = clock.nowMs();
    held.changes = new Map();
    const session: HeldSession = {
      user: owner.user,
      device: owner.device,
      sessionId: entry.sessionId,
      attempt: entry.attempt,
      conn: entry.connectionId,
      edge: signals().channel,
      sinceMs,
      lastActiveMs,
      isConnected,
      isUsed,
      changes,
    };
    const outcome = await store.touch(session);
    if (outcome === undefined) {
      // Not saved: with the next touch, but for what has changed again.
      held.changes = new Map([...changes, ...held.changes]);
    } else if (outcome !== "mine" && isConnected) this.close(entry.connectionId, outcome);
  }
}

function randomId(kind: "c" | "s"): string {
  return `${kind}_${randomBytes(ID_BYTES).toString("base64url")}`;
}
