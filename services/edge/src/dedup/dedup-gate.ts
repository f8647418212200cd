import type { SettledOutcome } from "@millrace/log";
import { type Clock, delay, must } from "@millrace/runtime";
import { type EpochId, type PositionText, formatPosition, parsePosition } from "@millrace/schemas";
import type { GateVerdict, Publish, PublishGate } from "../publish/publish-gate.ts";
import type { Told } from "../hub/told.ts";
import type { KeyWindow } from "./key-window.ts";
import { type PublishId, hashOfPublish, nameOfPublish } from "./publish-id.ts";
import type { RecordSearch, SearchOutcome } from "./record-search.ts";
import type { ReservationOutcome, Reservations, Reserved } from "./reservations.ts";

export interface DedupGateOptions {
  readonly reservations: Reservations;
  readonly window: KeyWindow;
  readonly search: RecordSearch;
  readonly clock: Clock;
  readonly tails: PassedLog;
  /** This life of this edge, unlike any other's. */
  readonly incarnation: string;
  readonly leaseMs: number;
  readonly dedupMs: number;
  readonly publishDeadlineMs: number;
}

/** What of the log this edge has seen, and its window with it. */
export interface PassedLog {
  /** Up to there everything was seen: a lower bound of the log's end. */
  position(partition: number): Told | undefined;
  /** Resolves when all that the log has now was seen; with undefined when that takes too long. */
  whenPassed(partition: number, waitMs: number): Promise<Told | undefined>;
}

/** A key that this edge is busy with, from the check until its record's fate is known. */
interface Claim {
  readonly partition: number;
  /** The incarnation of the log that it was last checked in. */
  epoch: EpochId;
  readonly id: PublishId;
  readonly name: string;
  readonly token: string;
  readonly publish: Publish;
  /** Redis holds it; otherwise it was used without Redis. */
  isReserved: boolean;
  /** Where the log ended when it was reserved. */
  logEnd: string;
  renewedMs: number;
  readonly done: Promise<void>;
  readonly end: () => void;
}

const HELD_POLL_MS_MIN = 5;
const HELD_POLL_MS_MAX = 200;
const RETRY_MS = 100;

/** A lease is renewed three times before it is over. */
const RENEWALS_PER_LEASE = 3;

/**
 * Appends a key once: docs/architecture.md "Dedup".
 *
 * Invariant: between the check that lets a key through and its record's fate, nobody else appends
 * it. On this edge its claim says so; between edges the reservation in Redis, whose lease is longer
 * than a publish may wait for being sent and is renewed while its fate is open. Who finds a lease
 * that is over asks the log, and takes the key by compare-and-set, so that of two who find it one
 * appends. What can break it: an edge that is frozen between its last look at the clock and the
 * write, for longer than the lease.
 */
export class DedupGate implements PublishGate {
  readonly #options: DedupGateOptions;
  readonly #claims = new Map<string, Claim>();
  /** The claim that each publish has, by itself: its name is dear to make. */
  readonly #claimOf = new WeakMap<Publish, Claim>();
  /** How often each has found its key held. */
  readonly #waits = new WeakMap<Publish, number>();
  /** By partition: the `since` of Redis before which the window has seen everything. */
  readonly #seen = new Map<number, string>();
  #tokens = 0;
  #isRenewing = false;

  constructor(options: DedupGateOptions) {
    this.#options = options;
  }

  async check(partition: number, publishes: readonly Publish[]): Promise<readonly GateVerdict[]> {
    const verdicts = new Map<Publish, GateVerdict>();
    const asked: Claim[] = [];
    for (const publish of publishes) {
      const claim = this.#claim(partition, publish);
      if (claim === undefined) verdicts.set(publish, { kind: "append" });
      else if (claim.publish !== publish) verdicts.set(publish, this.#waitFor(claim, publish));
      else if (claim.isReserved) verdicts.set(publish, { kind: "append" });
      else asked.push(claim);
    }
    const answers = await this.#decide(partition, asked);
    for (const [index, claim] of asked.entries()) {
      const verdict = must(answers[index], "each claim is decided");
      verdicts.set(claim.publish, verdict);
      // It has answered, or asks again later: until then the key is free for whoever comes.
      if (verdict.kind !== "append") this.#drop(claim);
    }
    return publishes.map((publish) => must(verdicts.get(publish), "each publish has a verdict"));
  }

  settled(publish: Publish, outcome: SettledOutcome): void {
    const claim = this.#claimOf.get(publish);
    if (claim === undefined) return;
    this.#drop(claim);
    const { reservations } = this.#options;
    if (outcome.kind === "appended") {
      const { epoch, offset, timestampMs: ts } = outcome;
      const pos = formatPosition({ epoch, partition: claim.partition, offset: offset + 1n });
      reservations.finish(claim, claim.token, { pos, ts });
    } else if (claim.isReserved) {
      void reservations.exchange(claim, claim.token, { to: "nothing" });
    }
  }

  /** The one that has the key here; a new one where nobody has. */
  #claim(partition: number, publish: Publish): Claim | undefined {
    const id = idOf(publish);
    if (id === undefined) return undefined;
    const name = nameOfPublish(id);
    const known = this.#claims.get(name);
    if (known !== undefined) return known;
    const nowMs = this.#options.clock.nowMs();
    const { done, end } = signal();
    const token = `${this.#options.incarnation}.${this.#tokens++}`;
    const times = { epoch: "" as EpochId, logEnd: "", renewedMs: nowMs };
    const claim = { partition, id, name, token, publish, isReserved: false, done, end, ...times };
    this.#claims.set(name, claim);
    this.#claimOf.set(publish, claim);
    this.#renewLater();
    return claim;
  }

  #drop(claim: Claim): void {
    this.#claims.delete(claim.name);
    this.#claimOf.delete(claim.publish);
    claim.end();
  }

  #waitFor(claim: Claim, publish: Publish): GateVerdict {
    const { clock } = this.#options;
    const leftMs = Math.max(0, publish.deadlineMs - clock.nowMs());
    return { kind: "wait", until: Promise.race([claim.done, delay(clock, leftMs)]) };
  }

  async #decide(partition: number, claims: readonly Claim[]): Promise<readonly GateVerdict[]> {
    if (claims.length === 0) return [];
    const { reservations, tails, dedupMs } = this.#options;
    const end = tails.position(partition);
    if (end === undefined) return claims.map(() => unavailable("the partition is not reached yet"));
    for (const claim of claims) claim.epoch = end.epoch;
    const reserved = await reservations.reserve(end, claims);
    const isProven = reserved?.isProving === true && reserved.sinceAgeMs >= dedupMs;
    // Where Redis proves nothing the window must.
    const hasSeen = isProven || (await this.#hasSeen(partition, reserved));
    if (!hasSeen) return claims.map((claim) => this.#release(claim));
    return Promise.all(
      claims.map((claim, index) => {
        const outcome = reserved?.outcomes[index];
        if (outcome === undefined) return this.#decideWithoutRedis(claim, end);
        return this.#decideBy(outcome, { claim, end, isProven });
      }),
    );
  }

  /**
   * Whether the window knows all keys that Redis may not: those of records from before its entries
   * began. What was under way then is in the log, or given up, a lease later; once the window has
   * seen the log's end after that, it need not be asked again.
   */
  async #hasSeen(partition: number, reserved: Reserved | undefined): Promise<boolean> {
    const { tails, leaseMs, publishDeadlineMs } = this.#options;
    if (reserved !== undefined && this.#seen.get(partition) === reserved.since) return true;
    const hasSeen = (await tails.whenPassed(partition, publishDeadlineMs)) !== undefined;
    if (hasSeen && reserved !== undefined && reserved.sinceAgeMs >= leaseMs) {
      this.#seen.set(partition, reserved.since);
    }
    return hasSeen;
  }

  async #decideBy(
    outcome: ReservationOutcome,
    place: { readonly claim: Claim; readonly end: Told; readonly isProven: boolean },
  ): Promise<GateVerdict> {
    const { claim, end, isProven } = place;
    switch (outcome.kind) {
      case "final":
        return duplicate(outcome.pos as PositionText, outcome.ts);
      case "held":
        return this.#decideHeld(claim, end);
      case "orphaned":
        return this.#takeOver(outcome, claim, end);
      case "mine":
        claim.isReserved = true;
        claim.logEnd = end.text;
        return this.#decideMine(claim, end, isProven);
    }
  }

  /** Somebody else appends it, or has, and did not come to say so. */
  async #decideHeld(claim: Claim, end: Told): Promise<GateVerdict> {
    const found = await this.#searchWindow(claim, end);
    if (found.kind === "found") return duplicate(...placeOf(claim, end, found));
    const waits = this.#waits.get(claim.publish) ?? 0;
    this.#waits.set(claim.publish, waits + 1);
    const pollMs = Math.min(HELD_POLL_MS_MAX, HELD_POLL_MS_MIN * 2 ** waits);
    return { kind: "wait", until: delay(this.#options.clock, pollMs) };
  }

  /** Redis knows nothing of the key; this edge may. */
  async #decideMine(claim: Claim, end: Told, isProven: boolean): Promise<GateVerdict> {
    const { window } = this.#options;
    const found = await this.#searchWindow(claim, end);
    switch (found.kind) {
      case "found":
        return this.#finish(claim, end, found);
      case "absent":
        if (isProven || window.covers(claim.partition)) return { kind: "append" };
        break;
      case "unavailable":
        break;
    }
    return this.#release(claim);
  }

  /** Nobody can say whether it was used: it is not appended, and kept from nobody. */
  #release(claim: Claim): GateVerdict {
    void this.#options.reservations.exchange(claim, claim.token, { to: "nothing" });
    return unavailable("it is not known at the moment which keys were used");
  }

  async #decideWithoutRedis(claim: Claim, end: Told): Promise<GateVerdict> {
    const { window, reservations } = this.#options;
    const found = await this.#searchWindow(claim, end);
    if (found.kind === "found") return duplicate(...placeOf(claim, end, found));
    if (found.kind === "unavailable" || !window.covers(claim.partition)) {
      return this.#release(claim);
    }
    reservations.noteHole(claim);
    return { kind: "append" };
  }

  #searchWindow(claim: Claim, { epoch }: Told): Promise<SearchOutcome> {
    const { window, search } = this.#options;
    const { partition, id } = claim;
    if (window.epochOf(partition) !== epoch) return Promise.resolve({ kind: "absent" });
    const offsets = window.candidates(partition, hashOfPublish(id));
    if (offsets.length === 0) return Promise.resolve({ kind: "absent" });
    return search.among({ epoch, partition }, offsets, id);
  }

  /** Its holder is gone: the log says what became of it. */
  async #takeOver(
    orphan: { readonly token: string; readonly logEnd: string },
    claim: Claim,
    end: Told,
  ): Promise<GateVerdict> {
    const { search, reservations, clock } = this.#options;
    const { partition, id } = claim;
    const from = parsePosition(orphan.logEnd);
    const since = from?.epoch === end.epoch ? from.offset : 0n;
    const found = await search.since({ epoch: end.epoch, partition }, since, id);
    if (found.kind === "unavailable") return { kind: "wait", until: delay(clock, RETRY_MS) };
    if (found.kind === "found") return this.#finish({ ...claim, token: orphan.token }, end, found);
    const wish = { to: "pending", token: claim.token, logEnd: end.text } as const;
    const isMine = await reservations.exchange(claim, orphan.token, wish);
    claim.isReserved = isMine === true;
    claim.logEnd = end.text;
    // Somebody else was first, or Redis is silent: asked again.
    return claim.isReserved ? { kind: "append" } : { kind: "wait", until: delay(clock, RETRY_MS) };
  }

  #finish(
    claim: Pick<Claim, "partition" | "epoch" | "name" | "token">,
    end: Told,
    found: Extract<SearchOutcome, { kind: "found" }>,
  ): GateVerdict {
    const [pos, ts] = placeOf(claim, end, found);
    void this.#options.reservations.exchange(claim, claim.token, { to: "final", pos, ts });
    return duplicate(pos, ts);
  }

  #renewLater(): void {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    const { clock, leaseMs } = this.#options;
    clock.after(leaseMs / RENEWALS_PER_LEASE, () => {
      this.#isRenewing = false;
      this.#renew();
      if (this.#claims.size > 0) this.#renewLater();
    });
  }

  #renew(): void {
    const { clock, leaseMs, reservations } = this.#options;
    const nowMs = clock.nowMs();
    for (const claim of this.#claims.values()) {
      const { token, logEnd } = claim;
      if (!claim.isReserved || nowMs - claim.renewedMs < leaseMs / RENEWALS_PER_LEASE) continue;
      claim.renewedMs = nowMs;
      void reservations.exchange(claim, token, { to: "pending", token, logEnd });
    }
  }
}

/** A promise, and what resolves it. */
function signal(): { readonly done: Promise<void>; readonly end: () => void } {
  const parts: { end?: () => void } = {};
  const done = new Promise<void>((resolve) => {
    parts.end = resolve;
  });
  return { done, end: must(parts.end, "a promise starts at once") };
}

function idOf({ frame, sender }: Publish): PublishId | undefined {
  const { key, conversation } = frame;
  return key === undefined ? undefined : { conversation, sender, key };
}

function placeOf(
  { partition }: Pick<Claim, "partition">,
  { epoch }: Told,
  { offset, timestampMs }: Extract<SearchOutcome, { kind: "found" }>,
): [PositionText, number] {
  return [formatPosition({ epoch, partition, offset: offset + 1n }), timestampMs];
}

function duplicate(pos: PositionText, ts: number): GateVerdict {
  return { kind: "answer", outcome: { kind: "appended", pos, ts, isDuplicate: true } };
}

function unavailable(why: string): GateVerdict {
  return { kind: "answer", outcome: { kind: "not-appended", why } };
}
