import { randomBytes } from "node:crypto";
import type { Clock } from "@millrace/runtime";
import type { CloseCode, DeviceName, UserId } from "@millrace/schemas";
import type { SessionSignal, SessionSignals } from "./session-signals.ts";
import type { ConnectionPlace, HeldSession, SessionStore, SessionView } from "./session-store.ts";

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
  /** Changed subscriptions of one session that wait for Redis; beyond it all are written anew. */
  readonly unsavedMax: number;
}

/** A session while a connection of this edge has it. */
export interface SessionHold {
  /** Since when, by the wall clock. */
  readonly sinceMs: number;
  /** When something last came from its client, by the wall clock. */
  lastActiveMs: number;
}

interface Held extends SessionHold {
  readonly owner: SessionOwner;
  readonly entry: SessionEntry;
  readonly connection: SessionConnection;
  touchedMs: number;
  /** Conversations, and after which position each was subscribed; made with the first. */
  subscriptions: Map<string, string> | undefined;
  /** Those that Redis has not heard of yet. */
  unsaved: Set<string> | "all" | undefined;
}

const ID_BYTES = 12;
const TICK_MS = 1_000;
const NONE: ReadonlyMap<string, never> = new Map<string, never>();

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

  opened(owner: SessionOwner, entry: SessionEntry, connection: SessionConnection): SessionHold {
    const { clock } = this.#options;
    const [wallMs, nowMs] = [clock.wallMs(), clock.nowMs()];
    const { subscriptions } = entry;
    const held: Held = {
      owner,
      entry,
      connection,
      sinceMs: wallMs,
      lastActiveMs: wallMs,
      touchedMs: nowMs,
      subscriptions: subscriptions.size === 0 ? undefined : new Map(subscriptions),
      unsaved: undefined,
    };
    this.#held.set(entry.connectionId, held);
    return held;
  }

  /** Subscribed after that position; undefined: not subscribed any more. */
  subscribed(connectionId: string, conversation: string, start: string | undefined): void {
    const held = this.#held.get(connectionId);
    if (held === undefined) return;
    if (start === undefined) held.subscriptions?.delete(conversation);
    else (held.subscriptions ??= new Map()).set(conversation, start);
    this.#unsaved(held, [conversation]);
    const isFirst = this.#saving.size === 0;
    this.#saving.add(held);
    if (!isFirst) return;
    this.#options.clock.after(this.#options.saveEveryMs, () => {
      const due = [...this.#saving].filter((one) => this.#isHeld(one));
      this.#saving.clear();
      void this.#touch(due, true);
    });
  }

  async closed(connectionId: string): Promise<void> {
    const held = this.#held.get(connectionId);
    if (held === undefined) return;
    this.#held.delete(connectionId);
    await this.#touch([held], false);
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
  close(connectionId: string, why: SessionSignal): void {
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
      const due: Held[] = [];
      for (const held of this.#held.values()) {
        if (nowMs - held.touchedMs >= touchEveryMs) due.push(held);
      }
      if (due.length > 0) void this.#touch(due, true);
      this.#tick();
    });
  }

  #isHeld(held: Held): boolean {
    return this.#held.get(held.entry.connectionId) === held;
  }

  /** A client may change its mind without end while Redis is away: what waits is bounded. */
  #unsaved(held: Held, more: Iterable<string> | "all"): void {
    if (held.unsaved === "all") return;
    if (more === "all") {
      held.unsaved = "all";
      return;
    }
    const unsaved = held.unsaved ?? new Set<string>();
    held.unsaved = unsaved;
    for (const name of more) unsaved.add(name);
    if (unsaved.size > this.#options.unsavedMax) held.unsaved = "all";
  }

  async #touch(all: readonly Held[], isConnected: boolean): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const views = all.map((held) => this.#viewOf(held, isConnected));
    const unsaved = all.map((held) => held.unsaved);
    for (const held of all) {
      held.touchedMs = nowMs;
      held.unsaved = undefined;
    }
    const outcomes = await this.#options.store.touch(views);
    const lost: Held[] = [];
    for (const [index, held] of all.entries()) {
      const outcome = outcomes[index];
      const names = unsaved[index];
      // Not saved: with the next touch.
      if (outcome === undefined) {
        if (names !== undefined) this.#unsaved(held, names);
      } else if (outcome === "new") {
        // A Redis that has lost the session has lost its subscriptions, too.
        if (held.subscriptions !== undefined && names !== "all") lost.push(held);
      } else if (outcome !== "mine" && isConnected) this.close(held.entry.connectionId, outcome);
    }
    for (const held of lost) held.unsaved = "all";
    if (lost.length > 0) await this.#touch(lost, isConnected);
  }

  #viewOf(held: Held, isConnected: boolean): HeldSession {
    const { owner, entry, sinceMs, lastActiveMs, unsaved, subscriptions = NONE } = held;
    const names = unsaved === "all" ? [...subscriptions.keys()] : [...(unsaved ?? [])];
    return {
      user: owner.user,
      device: owner.device,
      sessionId: entry.sessionId,
      attempt: entry.attempt,
      conn: entry.connectionId,
      edge: this.#options.signals().channel,
      sinceMs,
      lastActiveMs,
      isConnected,
      isUsed: held.subscriptions !== undefined,
      changes: new Map(names.map((name) => [name, subscriptions.get(name)])),
      isWhole: unsaved === "all",
    };
  }
}

function randomId(kind: "c" | "s"): string {
  return `${kind}_${randomBytes(ID_BYTES).toString("base64url")}`;
}
