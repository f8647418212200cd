import type { AppendOutcome, SettledOutcome } from "@millrace/log";
import type { PositionText, PubFrame, UserId } from "@millrace/schemas";
import type { Traceparent } from "../trace/traceparent.ts";

/** What a publisher is asked to append. */
export interface PublishRequest {
  readonly frame: PubFrame;
  readonly sender: UserId;
  /** Publishes of one lane are appended in the order asked: one connection and conversation. */
  readonly lane: object;
  /** Asked again when everything before it in the partition is settled or in the same batch. */
  readonly isStillWanted: () => boolean;
  /** The trace that the record belongs to. */
  readonly traceparent?: Traceparent;
  readonly onOutcome: (outcome: PublishOutcome) => void;
  readonly onSettled: (outcome: SettledOutcome) => void;
}

/** One publish on its way into the log. */
export interface Publish extends PublishRequest {
  /** On the monotonic clock; one that has not been sent by then is not sent any more. */
  readonly deadlineMs: number;
}

export type PublishOutcome =
  | {
      readonly kind: "appended";
      readonly pos: PositionText;
      readonly ts: number;
      /** Its key was used before: this is where that publish went. */
      readonly isDuplicate?: true;
    }
  | Exclude<AppendOutcome, { readonly kind: "appended" }>;

/**
 * What a publish must wait for before it may be appended. A gate sees all that gathered in a
 * partition while it was busy, in order, and says for each at the same index; it never rejects.
 */
export interface PublishGate {
  check(partition: number, publishes: readonly Publish[]): Promise<readonly GateVerdict[]>;
  /** Hears, once, the fate of each publish that it let through. */
  settled?(publish: Publish, outcome: SettledOutcome): void;
}

export type GateVerdict =
  | { readonly kind: "append" }
  | { readonly kind: "answer"; readonly outcome: PublishOutcome }
  /** Its lane waits, and is checked again then. Resolves by the publish's deadline at the latest. */
  | { readonly kind: "wait"; readonly until: Promise<unknown> };
