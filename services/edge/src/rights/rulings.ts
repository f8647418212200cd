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

/**
 * What operators have ruled and not lifted: of each subject the newest word, as the log has it.
 * A fold: the same log gives the same rulings, also where compaction has taken older words away.
 *
 * Bound: `rulingsMax`, about 0.7 KiB each. Bans that have ended by themselves make room; when there
 * is none, `take` says so, and the edge serves nobody rather than forget one.
 */
export class Rulings {
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #rulingsMax: number;
  readonly #records = new Map<string, ControlRecord>();
  /** How many each user has: most have none, and then nothing else is looked at. */
  readonly #counts = new Map<UserId, number>();

  constructor(clock: Pick<Clock, "wallMs">, { rulingsMax }: { readonly rulingsMax: number }) {
    this.#clock = clock;
    this.#rulingsMax = rulingsMax;
  }

  get size(): number {
    return this.#records.size;
  }

  has(subject: RulingSubject): boolean {
    return this.#of(subject) !== undefined;
  }

  /** Whether fewer hold than so many. */
  hasRoom(most: number): boolean {
    if (this.size >= most) this.#forgetEnded();
    return this.size < most;
  }

  /** False: there is no room for it. */
  take(record: ControlRecord): boolean {
    const { ruling } = record;
    if (!this.has(ruling)) {
      if (!this.hasRoom(this.#rulingsMax)) return false;
      this.#count(ruling.user, 1);
    }
    this.#records.set(subjectText(ruling), record);
    return true;
  }

  lift(subject: RulingSubject): void {
    if (this.#records.delete(subjectText(subject))) this.#count(subject.user, -1);
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
    let first: [string, ControlRecord][] = [];
    let bound: string | undefined;
    for (const entry of this.#records) {
      const [text, record] = entry;
      if (text <= after || (bound !== undefined && text > bound)) continue;
      if (this.#hasEnded(record) || (user !== undefined && record.ruling.user !== user)) continue;
      first.push(entry);
      if (first.length <= 2 * count) continue;
      // Not sorted as a whole, which would hold up everything else.
      first = firstOf(first, count + 1);
      bound = first.at(-1)?.[0];
    }
    first = firstOf(first, count + 1);
    const records = first.slice(0, count).map(([, record]) => record);
    const last = first[count - 1]?.[0];
    return { records, ...(first.length > count && last !== undefined && { next: last }) };
  }

  #of(subject: RulingSubject): ControlRecord | undefined {
    if (!this.#counts.has(subject.user)) return undefined;
    return this.#records.get(subjectText(subject));
  }

  #hasEnded({ ruling }: ControlRecord): boolean {
    if (ruling.kind !== "ban" || ruling.untilMs === undefined) return false;
    return this.#clock.wallMs() >= ruling.untilMs;
  }

  #forgetEnded(): void {
    for (const record of this.#records.values()) {
      if (this.#hasEnded(record)) this.lift(record.ruling);
    }
  }

  #count(user: UserId, by: number): void {
    const sum = (this.#counts.get(user) ?? 0) + by;
    if (sum > 0) this.#counts.set(user, sum);
    else this.#counts.delete(user);
  }
}

function firstOf<Value>(entries: readonly [string, Value][], count: number): [string, Value][] {
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, count);
}
