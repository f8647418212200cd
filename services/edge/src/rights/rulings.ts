import type { Clock } from "@millrace/runtime";
import type { ConversationId, UserId } from "@millrace/schemas";
import { type ControlRecord, type RulingSubject, subjectText } from "@millrace/schemas/record";
import { type Told, told } from "../hub/told.ts";

/** A page of what holds, in the order of the subjects' texts. */
export interface RulingPage {
  readonly records: readonly ControlRecord[];
  /** Where the next page goes on: behind that subject. */
  readonly next?: string;
}

/** Names are sorted whenever so many more than a page have gathered. */
const SORT_FACTOR = 2;

/**
 * What operators have ruled and not lifted: of each subject the newest word, as the log has it.
 * A fold: the same log gives the same rulings, also where compaction has taken older words away.
 *
 * Bound: `rulingsMax`, about 0.4 KiB each. Bans that have ended by themselves make room; when there
 * is none, `take` says so, and the edge serves nobody rather than forget one.
 */
export class Rulings {
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #rulingsMax: number;
  /** By user, because most users have none, and then one look is enough. */
  readonly #users = new Map<UserId, Map<string, ControlRecord>>();
  #size = 0;

  constructor(clock: Pick<Clock, "wallMs">, { rulingsMax }: { readonly rulingsMax: number }) {
    this.#clock = clock;
    this.#rulingsMax = rulingsMax;
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    if (this.#size >= this.#rulingsMax) this.#forgetEnded();
    return this.#size >= this.#rulingsMax;
  }

  has(subject: RulingSubject): boolean {
    return this.#users.get(subject.user)?.has(subjectText(subject)) ?? false;
  }

  /** False: there is no room for it. */
  take(record: ControlRecord): boolean {
    const { ruling } = record;
    if (!this.has(ruling)) {
      if (this.isFull) return false;
      this.#size += 1;
    }
    const own = this.#users.get(ruling.user) ?? new Map<string, ControlRecord>();
    own.set(subjectText(ruling), record);
    this.#users.set(ruling.user, own);
    return true;
  }

  lift(subject: RulingSubject): void {
    const { user } = subject;
    const own = this.#users.get(user);
    if (own?.delete(subjectText(subject)) !== true) return;
    this.#size -= 1;
    if (own.size === 0) this.#users.delete(user);
  }

  isBanned(user: UserId): boolean {
    const record = this.#of({ kind: "ban", user });
    return record !== undefined && !this.#hasEnded(record);
  }

  isRemoved(user: UserId, conversation: ConversationId): boolean {
    return this.#of({ kind: "removal", user, conversation }) !== undefined;
  }

  /** After which position the user may read; undefined: from the log's start. */
  beginning(user: UserId, conversation: ConversationId): Told | undefined {
    const ruling = this.#of({ kind: "beginning", user, conversation })?.ruling;
    if (ruling?.kind !== "beginning") return undefined;
    const { epoch, partition, offset } = ruling.position;
    return told(epoch, partition, offset);
  }

  /** Those behind that text, of one user or of all; `count` at most. */
  page(wish: {
    readonly user?: UserId;
    readonly after: string;
    readonly count: number;
  }): RulingPage {
    const { user, after, count } = wish;
    let found: [string, ControlRecord][] = [];
    for (const own of user === undefined ? this.#users.values() : [this.#users.get(user)]) {
      for (const [text, record] of own ?? []) {
        if (text <= after || this.#hasEnded(record)) continue;
        found.push([text, record]);
        if (found.length > SORT_FACTOR * count) found = firstOf(found, count + 1);
      }
    }
    const first = firstOf(found, count + 1);
    const records = first.slice(0, count).map(([, record]) => record);
    const last = first[count - 1]?.[0];
    return { records, ...(first.length > count && last !== undefined && { next: last }) };
  }

  #of(subject: RulingSubject): ControlRecord | undefined {
    return this.#users.get(subject.user)?.get(subjectText(subject));
  }

  #hasEnded({ ruling }: ControlRecord): boolean {
    if (ruling.kind !== "ban" || ruling.untilMs === undefined) return false;
    return this.#clock.wallMs() >= ruling.untilMs;
  }

  #forgetEnded(): void {
    for (const own of this.#users.values()) {
      for (const record of own.values()) if (this.#hasEnded(record)) this.lift(record.ruling);
    }
  }
}

function firstOf<Value>(entries: readonly [string, Value][], count: number): [string, Value][] {
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, count);
}
