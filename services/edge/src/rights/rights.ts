import type { ConversationId, ErrFrame, UserId } from "@millrace/schemas";
import type { Identity } from "../admission/identity.ts";
import { mayRead, mayWrite } from "../admission/token-rights.ts";
import type { Told } from "../hub/told.ts";
import type { Rulings } from "./rulings.ts";

type Denial = Pick<ErrFrame, "code" | "message">;

/** What whoever lacks the right is told, by frame as over HTTP, whether the conversation exists or not. */
export const NO_READ: Denial = {
  code: "forbidden",
  message: "no right to read this conversation",
};

export const NO_WRITE: Denial = {
  code: "forbidden",
  message: "no right to write to this conversation",
};

/**
 * The rights of now: what the token grants, less what operators have taken. Nobody keeps an answer:
 * it is asked for again wherever something was waited for.
 */
export class Rights {
  readonly #rulings: Rulings;

  constructor(rulings: Rulings) {
    this.#rulings = rulings;
  }

  isBanned(user: UserId): boolean {
    return this.#rulings.isBanned(user);
  }

  mayRead(identity: Identity, conversation: ConversationId): boolean {
    return mayRead(identity, conversation) && this.#isMember(identity.user, conversation);
  }

  mayWrite(identity: Identity, conversation: ConversationId): boolean {
    return mayWrite(identity, conversation) && this.#isMember(identity.user, conversation);
  }

  /** Whatever a token may say. */
  isRemoved(user: UserId, conversation: ConversationId): boolean {
    return this.#rulings.isRemoved(user, conversation);
  }

  #isMember(user: UserId, conversation: ConversationId): boolean {
    return !this.#rulings.isBanned(user) && !this.#rulings.isRemoved(user, conversation);
  }

  /** What stands before it is not the user's to read; undefined: all is. */
  beginning(user: UserId, conversation: ConversationId): Told | undefined {
    return this.#rulings.beginning(user, conversation);
  }
}
