import type { Log } from "@millrace/log";
import { type ConversationId, type Position, parsePosition, partitionOf } from "@millrace/schemas";
import {
  type ControlRecord,
  type RulingSubject,
  controlRecordKey,
  encodeControl,
} from "@millrace/schemas/record";
import type { EdgeLimits } from "../limits.ts";
import {
  type ControlAppender,
  type RuleOutcome,
  type RuleRefusal,
  refused,
} from "./control-appender.ts";
import type { Rulings } from "./rulings.ts";

export interface RulingJournalOptions {
  readonly appender: Pick<ControlAppender, "append">;
  /** The topic of the messages. */
  readonly messages: Log;
  readonly rulings: Rulings;
  readonly limits: Pick<EdgeLimits, "rulingsTaken">;
}

/** Writes rulings into their topic, and finds the places that they name. */
export class RulingJournal {
  readonly #options: RulingJournalOptions;

  constructor(options: RulingJournalOptions) {
    this.#options = options;
  }

  async rule(record: ControlRecord): Promise<RuleOutcome> {
    const { ruling } = record;
    const { appender, rulings, limits } = this.#options;
    if (!rulings.has(ruling) && !rulings.hasRoom(limits.rulingsTaken)) {
      return refused("unavailable", "as many rulings hold as an edge can keep: lift some");
    }
    return appender.append(controlRecordKey(ruling), encodeControl(record));
  }

  lift(subject: RulingSubject): Promise<RuleOutcome> {
    return this.#options.appender.append(controlRecordKey(subject), null);
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
}
