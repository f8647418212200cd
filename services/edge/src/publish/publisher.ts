import type { AppendOutcome, AppendRequest, Log, SettledOutcome } from "@millrace/log";
import { type Clock, assert } from "@millrace/runtime";
import {
  type PositionText,
  type PubFrame,
  type UserId,
  formatPosition,
  partitionOf,
} from "@millrace/schemas";
import { encodeMessage, newMessageId } from "@millrace/schemas/record";
import type { EdgeLimits } from "../limits.ts";

/** One publish on its way into the log. */
export interface Publish {
  readonly frame: PubFrame;
  readonly sender: UserId;
  /** Asked again when everything before it in the partition is settled or in the same batch. */
  readonly isStillWanted: () => boolean;
  readonly onOutcome: (outcome: PublishOutcome) => void;
  readonly onSettled: (outcome: SettledOutcome) => void;
}

export type PublishOutcome =
  | { readonly kind: "appended"; readonly pos: PositionText; readonly ts: number }
  | Exclude<AppendOutcome, { readonly kind: "appended" }>;

/**
 * What a publish must wait for before it may be appended. A gate sees all that gathered in a
 * partition while it was busy, in order, and says for each at the same index; it never rejects.
 */
export interface PublishGate {
  check(publishes: readonly Publish[]): Promise<readonly GateVerdict[]>;
}

export type GateVerdict = { readonly kind: "append" } | PublishOutcome;

export interface PublisherOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly gate?: PublishGate;
}

interface GateQueue {
  readonly waiting: Publish[];
  isBusy: boolean;
}

/**
 * Turns publishes into records and hands them to the log's writer.
 *
 * Invariant: the publishes of one partition reach the writer in the order in which `publish` was
 * called. Without a gate that is one synchronous step. With one, what gathers while the gate is
 * busy waits as a whole and goes in as a whole, so no answer of the gate can let one overtake
 * another, however long each check takes.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #queues = new Map<number, GateQueue>();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  publish(publish: Publish): void {
    const { log, gate } = this.#options;
    if (log.epoch === undefined) {
      publish.onOutcome({ kind: "not-appended", why: "the log was not reached yet" });
      return;
    }
    const partition = partitionOf(Buffer.from(publish.frame.conversation), log.epoch.partitions);
    if (gate === undefined) this.#append(partition, publish);
    else this.#enqueue(partition, publish, gate);
  }

  #enqueue(partition: number, publish: Publish, gate: PublishGate): void {
    let queue = this.#queues.get(partition);
    if (queue === undefined) {
      queue = { waiting: [], isBusy: false };
      this.#queues.set(partition, queue);
    }
    queue.waiting.push(publish);
    if (!queue.isBusy) void this.#drain(partition, queue, gate);
  }

  /** Never rejects: gates don't. */
  async #drain(partition: number, queue: GateQueue, gate: PublishGate): Promise<void> {
    queue.isBusy = true;
    while (queue.waiting.length > 0) {
      const batch = queue.waiting.splice(0);
      const verdicts = await gate.check(batch);
      for (const [index, publish] of batch.entries()) {
        const verdict = verdicts[index];
        assert(verdict !== undefined, "a gate says for each publish");
        if (verdict.kind === "append") this.#append(partition, publish);
        else publish.onOutcome(verdict);
      }
    }
    queue.isBusy = false;
  }

  #append(partition: number, publish: Publish): void {
    const { log, clock, limits } = this.#options;
    const { frame, sender } = publish;
    const wallMs = clock.wallMs();
    const isPrivate = frame.conversation.startsWith("dm:");
    const value = encodeMessage({
      id: newMessageId(wallMs),
      conversation: frame.conversation,
      sender,
      recipient: frame.to ?? null,
      group: isPrivate ? null : frame.conversation,
      key: frame.key ?? null,
      contentType: frame.type,
      content: frame.body,
      meta: frame.meta ?? {},
      ref: frame.ref ?? null,
      op: frame.op ?? null,
      sentAt: BigInt(Math.trunc(wallMs)),
    });
    const request: AppendRequest = {
      partition,
      key: Buffer.from(frame.conversation),
      value,
      headers: [],
      deadlineMs: clock.nowMs() + limits.publishDeadlineMs,
      isStillWanted: publish.isStillWanted,
      onOutcome: (outcome) => publish.onOutcome(publishOutcome(outcome, partition)),
      onSettled: publish.onSettled,
    };
    log.append(request);
  }
}

/** A message's own position is that of the next record: its offset + 1. */
function publishOutcome(outcome: AppendOutcome, partition: number): PublishOutcome {
  if (outcome.kind !== "appended") return outcome;
  const { epoch, offset, timestampMs } = outcome;
  const pos = formatPosition({ epoch, partition, offset: offset + 1n });
  return { kind: "appended", pos, ts: timestampMs };
}
