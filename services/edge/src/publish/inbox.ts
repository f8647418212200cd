import type { Log } from "@millrace/log";
import type { Clock } from "@millrace/runtime";
import {
  type ConversationId,
  INBOX_CONTENT_TYPE,
  type PositionText,
  type UserId,
  inboxConversation,
  parseConversation,
  partitionOf,
} from "@millrace/schemas";
import { encodeMessage, newMessageId } from "@millrace/schemas/record";
import type { Rights } from "../rights/rights.ts";
import type { EdgeLimits } from "../limits.ts";

/** A private message that stands in the log. */
export interface PrivateMessage {
  readonly conversation: ConversationId;
  readonly sender: UserId;
  readonly pos: PositionText;
}

export interface InboxesOptions {
  readonly log: Log;
  /** Whoever was removed from a private conversation hears no more of it. */
  readonly rights?: Pick<Rights, "isRemoved"> | undefined;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
}

/**
 * Tells both users of a private conversation of each message in it, in the inbox that each of their
 * devices can subscribe to: so they hear of a first contact. The notice names the message by its
 * position (`ref`); whoever gets it twice drops the second by that.
 */
export class Inboxes {
  readonly #options: InboxesOptions;

  constructor(options: InboxesOptions) {
    this.#options = options;
  }

  /**
   * Calls back, once, with whether every notice is in the log; at once where the conversation is
   * not private. A notice that is not there comes with the next publish of the same key.
   */
  announce(message: PrivateMessage, done: (isTold: boolean) => void): void {
    const { rights } = this.#options;
    const users = usersOf(message.conversation).filter(
      (user) => rights?.isRemoved(user, message.conversation) !== true,
    );
    let open = users.length;
    let isTold = true;
    if (open === 0) return done(true);
    for (const user of users) {
      this.#append(user, message, (isAppended) => {
        open -= 1;
        isTold &&= isAppended;
        if (open === 0) done(isTold);
      });
    }
  }

  #append(
    user: UserId,
    { conversation, sender, pos }: PrivateMessage,
    done: (isAppended: boolean) => void,
  ): void {
    const { log, clock, limits } = this.#options;
    const inbox = inboxConversation(user);
    const key = Buffer.from(inbox);
    const wallMs = clock.wallMs();
    if (log.epoch === undefined) return done(false);
    log.append({
      partition: partitionOf(key, log.epoch.partitions),
      key,
      value: encodeMessage({
        id: newMessageId(wallMs),
        conversation: inbox,
        sender,
        recipient: user,
        group: null,
        key: null,
        contentType: INBOX_CONTENT_TYPE,
        content: JSON.stringify({ c: conversation, from: sender }),
        meta: {},
        ref: pos,
        op: null,
        sentAt: BigInt(Math.trunc(wallMs)),
      }),
      headers: [],
      deadlineMs: clock.nowMs() + limits.publishDeadlineMs,
      onOutcome: ({ kind }) => done(kind === "appended"),
    });
  }
}

/** With oneself there is one inbox; elsewhere than in private nobody's. */
function usersOf(conversation: ConversationId): readonly UserId[] {
  if (!conversation.startsWith("dm:")) return [];
  const kind = parseConversation(conversation)?.kind;
  return kind?.kind === "dm" ? [...new Set(kind.users)] : [];
}
