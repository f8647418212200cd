import type { Log } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import {
  type ConversationId,
  type ErrorCode,
  type Position,
  parsePosition,
  partitionOf,
} from "@millrace/schemas";
import {
  type ControlRecord,
  type RulingSubject,
  controlRecordKey,
  encodeControl,
} from "@millrace/schemas/record";
import type { EdgeLimits } from "../limits.ts";
import { CONTROL_PARTITION } from "./ruling-feed.ts";
import type { Rulings } from "./rulings.ts";

export type RuleOutcome =
  /** On all in-sync replicas; every edge that can read it acts on it within a second. */
  { readonly kind: "ruled" } | RuleRefusal;

export interface RuleRefusal {
  readonly kind: "refused";
  readonly code: ErrorCode;
  readonly message: string;
  /** It may be in the log all the same; the same call again settles it. */
  readonly isUnknown?: true;
}

export interface RulingJournalOptions {
  /** The topic of rulings, and that of the messages. */
  readonly log: Log;
  readonly messages: Log;
  readonly rulings: Rulings;
  readonly clock: Clock;
  readonly limits: Pick<EdgeLimits, "publishDeadlineMs" | "rulingsTaken">;
}

const NOT_TAKEN = "the log did not take it in time";

/**
 * Writes rulings into their topic. What it has written holds here, too, only once it is read back:
 * the log's order decides between two operators, not the order in which edges heard of them.
 */
export class RulingJournal {
  readonly #options: RulingJournalOptions;

  constructor(options: RulingJournalOptions) {
    this.#options = options;
  }

  rule(record: ControlRecord): Promise<RuleOutcome> {
    const { ruling } = record;
    const { rulings, limits } = this.#options;
    if (!rulings.has(ruling) && !rulings.hasRoom(limits.rulingsTaken)) {
      const message = "as many rulings hold as an edge can keep: lift some";
      return Promise.resolve({ kind: "refused", code: "unavailable", message });
    }
    return this.#append(ruling, encodeControl(record));
  }

  /** A tombstone, also where nothing is known here: another edge may have ruled just now. */
  lift(subject: RulingSubject): Promise<RuleOutcome> {
    return this.#append(subject, null);
  }

  /** That position of a conversation, or the end of the log as its leader knows it now. */
  async placeOf(
    conversation: ConversationId,
    text: string,
  ): Promise<{ readonly kind: "place"; readonly position: Position } | RuleRefusal> {
    const { messages } = this.#options;
    if (messages.epoch === undefined) return refused("unavailable", "the log was not reached yet");
    const partition = partitionOf(Buffer.from(conversation), messages.epoch.partitions);
    const bounds = await messages.bounds(partition);
    if (bounds.kind === "unavailable") return refused("unavailable", "the log can't be read");
    const { epoch, endOffset: offset } = bounds;
    if (text === "now") return { kind: "place", position: { epoch, partition, offset } };
    const position = parsePosition(text);
    const isWithin =
      position?.epoch === epoch && position.partition === partition && position.offset <= offset;
    if (isWithin) return { kind: "place", position };
    return refused("bad-position", "neither `now` nor a position of this conversation's log");
  }

  #append(subject: RulingSubject, value: Uint8Array | null): Promise<RuleOutcome> {
    const { log, clock, limits } = this.#options;
    if (log.epoch === undefined) {
      return Promise.resolve(refused("unavailable", "the log was not reached yet"));
    }
    return new Promise((resolve) => {
      log.append({
        partition: CONTROL_PARTITION,
        key: controlRecordKey(subject),
        value,
        headers: [],
        deadlineMs: clock.nowMs() + limits.publishDeadlineMs,
        onOutcome: ({ kind }) => {
          if (kind === "appended") resolve({ kind: "ruled" });
          else if (kind !== "unknown") resolve(refused("unavailable", NOT_TAKEN));
          else resolve({ ...refused("unavailable", NOT_TAKEN), isUnknown: true });
        },
      });
    });
  }
}

function refused(code: ErrorCode, message: string): RuleRefusal {
  return { kind: "refused", code, message };
}
