import type { Clock } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import type { Told } from "../hub/told.ts";
import type { RedisHealth } from "../redis/redis-health.ts";
import type { RedisClient, RedisLink } from "../redis/redis-link.ts";
import { FinalPlaces } from "./final-places.ts";
import { EXCHANGE, RESERVE } from "./reservation-scripts.ts";

/** Keys belong to one incarnation of the topic: in the next one nothing was published yet. */
export interface ReservationPlace {
  readonly epoch: EpochId;
  readonly partition: number;
}

/** A publish's place among the reservations. */
export interface ReservationKey extends ReservationPlace {
  /** See `nameOfPublish`. */
  readonly name: string;
}

/** What a reservation is asked for: whose it will be. */
export interface ReservationWish {
  readonly name: string;
  /** Different for every publish, also of one edge. */
  readonly token: string;
}

export type ReservationOutcome =
  | { readonly kind: "mine" }
  | { readonly kind: "final"; readonly pos: string; readonly ts: number }
  /** Another's lease runs. */
  | { readonly kind: "held" }
  /** The lease is over: the log, from its end at that time on, tells what became of it. */
  | { readonly kind: "orphaned"; readonly token: string; readonly logEnd: string };

/** What Redis answers about a batch. */
export interface Reserved {
  /** Names the time from which on no reservation is missing; another name: it began anew. */
  readonly since: string;
  /** How long ago that was, by Redis' clock. */
  readonly sinceAgeMs: number;
  /** False: a reservation may have been thrown away since. */
  readonly isProving: boolean;
  /** For each wish, at the same index. */
  readonly outcomes: readonly ReservationOutcome[];
}

export type Exchange =
  | { readonly to: "nothing" }
  | { readonly to: "final"; readonly pos: string; readonly ts: number }
  | { readonly to: "pending"; readonly token: string; readonly logEnd: string };

export interface ReservationsOptions {
  readonly health: RedisHealth;
  readonly redis: RedisLink;
  readonly clock: Clock;
  readonly dedupMs: number;
  /** How long a reservation holds without being renewed. */
  readonly leaseMs: number;
}

type Scripts = RedisClient & {
  reserveKeys(keys: number, ...rest: (string | number)[]): Promise<readonly (string | number)[]>;
  exchangeReservation(entry: string, ...rest: (string | number)[]): Promise<number>;
};

/** Who is appending which key, and where it went: in Redis, for all edges. */
export class Reservations {
  readonly #options: ReservationsOptions;
  /** Keys were used while Redis did not hear of it, by partition: its marker has to begin anew. */
  readonly #hasHoles = new Set<string>();
  readonly #finals: FinalPlaces;

  constructor(options: ReservationsOptions) {
    this.#options = options;
    this.#finals = new FinalPlaces(options.clock, ({ key, token, pos, ts }) => {
      void this.exchange(key, token, { to: "final", pos, ts });
    });
    options.redis.onClient((client) => {
      client.defineCommand("reserveKeys", { lua: RESERVE });
      client.defineCommand("exchangeReservation", { numberOfKeys: 1, lua: EXCHANGE });
    });
  }

  /** A key of that partition is used without Redis. */
  noteHole(place: ReservationPlace): void {
    this.#hasHoles.add(markerKey(place));
  }

  /** Its record is there; Redis hears of it with the partition's next reservation, or soon. */
  finish(key: ReservationKey, token: string, place: { readonly pos: string; readonly ts: number }) {
    this.#finals.add(markerKey(key), { key, token, ...place });
  }

  /** What Redis was still to hear of is sent now. */
  flush(): void {
    this.#finals.flush();
  }

  /** Undefined: Redis does not answer. */
  async reserve(end: Told, wishes: readonly ReservationWish[]): Promise<Reserved | undefined> {
    const { health, leaseMs } = this.#options;
    const { epoch, partition } = end;
    const marker = markerKey(end);
    const keys = wishes.map(({ name }) => entryKey({ epoch, partition, name }));
    const hadHoles = this.#hasHoles.has(marker);
    const finals = this.#finals.take(marker);
    const entries = [marker, ...finals.map(({ key }) => entryKey(key)), ...keys];
    const settings = [leaseMs, this.#lifetimeMs, hadHoles ? "1" : "0", end.text, finals.length];
    const places = finals.flatMap(({ token, pos, ts }) => [token, pos, ts]);
    const tokens = wishes.map(({ token }) => token);
    const words = [...settings, ...places, ...tokens];
    const answer = await health.ask(marker, (client) =>
      (client as Scripts).reserveKeys(entries.length, ...entries, ...words),
    );
    if (answer === undefined) return undefined;
    if (hadHoles) this.#hasHoles.delete(marker);
    const [since, sinceAgeMs, ...found] = answer;
    const outcomes = found.map((entry) => outcomeOf(String(entry)));
    const isProving = !health.isEvicting;
    return { since: String(since), sinceAgeMs: Number(sinceAgeMs), isProving, outcomes };
  }

  /** Whether the entry was that token's and became that; undefined: Redis does not answer. */
  async exchange(key: ReservationKey, token: string, wish: Exchange): Promise<boolean | undefined> {
    const { health, leaseMs } = this.#options;
    // A final place is also true in a Redis that has forgotten the reservation.
    const isMissingFine = wish.to === "final" ? "1" : "0";
    const entry = entryKey(key);
    const done = await health.ask(entry, (client) =>
      (client as Scripts).exchangeReservation(
        entry,
        token,
        isMissingFine,
        this.#lifetimeMs,
        ...wordsOf(wish, leaseMs),
      ),
    );
    return done === undefined ? undefined : done === 1;
  }

  get #lifetimeMs(): number {
    return this.#options.dedupMs + this.#options.leaseMs;
  }
}

function wordsOf(wish: Exchange, leaseMs: number): (string | number)[] {
  switch (wish.to) {
    case "nothing":
      return ["d"];
    case "final":
      return ["f", wish.pos, wish.ts];
    case "pending":
      return ["p", wish.token, leaseMs, wish.logEnd];
  }
}

function outcomeOf(entry: string): ReservationOutcome {
  const [kind, first = "", second = ""] = entry.split(" ");
  if (kind === "m") return { kind: "mine" };
  if (kind === "f") return { kind: "final", pos: first, ts: Number(second) };
  if (kind === "h") return { kind: "held" };
  return { kind: "orphaned", token: first, logEnd: second };
}

function entryKey(key: ReservationKey): string {
  return `${prefixOf(key)}:${key.name}`;
}

function markerKey(place: ReservationPlace): string {
  return `${prefixOf(place)}:since`;
}

/** The braces keep a partition's entries on one node of a Redis Cluster. */
function prefixOf({ epoch, partition }: ReservationPlace): string {
  return `mr:k:{${epoch}.${partition}}`;
}
