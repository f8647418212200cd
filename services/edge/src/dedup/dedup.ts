import { randomBytes } from "node:crypto";
import type { Log } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import type { EdgeLimits } from "../limits.ts";
import type { RedisHealth } from "../redis/redis-health.ts";
import type { RedisLink } from "../redis/redis-link.ts";
import type { DecodedRecords } from "../tail/decoded-records.ts";
import { DedupGate, type PassedLog } from "./dedup-gate.ts";
import { KeyFeed } from "./key-feed.ts";
import { KeyWindow } from "./key-window.ts";
import { RecordSearch } from "./record-search.ts";
import { Reservations } from "./reservations.ts";

/** What appends a key once, and what keeps it informed. */
export interface Dedup {
  /** Follows the tails, so it is there before them. */
  readonly feed: KeyFeed;
  gateFor(tails: PassedLog): DedupGate;
  /** Nothing is published any more: what Redis was still to hear of is sent now. */
  flush(): void;
}

const INCARNATION_BYTES = 9;

export function createDedup(options: {
  readonly redis: RedisLink;
  readonly health: RedisHealth;
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly decoded: DecodedRecords;
}): Dedup {
  const { log, clock, limits, decoded } = options;
  const { dedupMs } = limits.announced;
  const { dedupLeaseMs: leaseMs, dedupKeysMax: keysMax, readBytes } = limits;
  const window = new KeyWindow({ dedupMs, keysMax });
  const reservations = new Reservations({ ...options, dedupMs, leaseMs });
  const search = new RecordSearch(log, readBytes);
  const incarnation = randomBytes(INCARNATION_BYTES).toString("base64url");
  const { publishDeadlineMs } = limits;
  const times = { leaseMs, dedupMs, publishDeadlineMs };
  return {
    gateFor: (tails) =>
      new DedupGate({ reservations, window, search, clock, tails, incarnation, ...times }),
    flush: () => reservations.flush(),
    feed: new KeyFeed({ log, clock, window, decoded, dedupMs, readBytes }),
  };
}
