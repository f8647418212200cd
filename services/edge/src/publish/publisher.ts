import type { AppendRequest, Log, RecordHeader, SettledOutcome } from "@millrace/log";
import { type Clock, must } from "@millrace/runtime";
import { formatPosition, partitionOf } from "@millrace/schemas";
import type { EdgeLimits } from "../limits.ts";
import { TRACEPARENT_HEADER } from "../trace/traceparent.ts";
import type { Rights } from "../rights/rights.ts";
import type { PublishWatch } from "../watch/publish-watch.ts";
import { Inboxes } from "./inbox.ts";
import type {
  GateVerdict,
  Publish,
  PublishGate,
  PublishOutcome,
  PublishRequest,
} from "./publish-gate.ts";
import { recordOf } from "./publish-record.ts";

export interface PublisherOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly rights?: Rights;
  readonly gate?: PublishGate;
  readonly watch?: PublishWatch;
}

interface GateQueue {
  waiting: Publish[];
  isBusy: boolean;
  /** Lanes whose first publish waits for something; what comes behind it waits with it. */
  readonly parked: Map<object, Publish[]>;
}

/**
 * Turns publishes into records and hands them to the log's writer.
 *
 * Invariant: the publishes of one lane reach the writer in the order in which `publish` was called.
 * Without a gate that is one synchronous step. With one, what gathers while the gate is busy waits
 * as a whole and goes in as a whole; and where the gate makes one publish wait, all of its lane
 * behind it are parked, in order, and come before the gate again together. So no answer of the gate
 * can let one overtake another, however long each check takes, and other lanes don't wait.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #queues = new Map<number, GateQueue>();
  readonly #inboxes: Inboxes;
  #inFlight = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#inboxes = new Inboxes(options);
  }

  /** Records that the writer has, and whose outcome it has not told yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  publish(asked: PublishRequest): void {
    const { log, gate, clock, limits, watch } = this.#options;
    const request = watch?.begin(asked) ?? asked;
    if (log.epoch === undefined) {
      request.onOutcome({ kind: "not-appended", why: "the log was not reached yet" });
      return;
    }
    const deadlineMs = clock.nowMs() + limits.publishDeadlineMs;
    const publish: Publish = { ...request, deadlineMs };
    const key = Buffer.from(publish.frame.conversation);
    const partition = partitionOf(key, log.epoch.partitions);
    if (gate === undefined) this.#append(partition, publish);
    else this.#enqueue(partition, publish, gate);
  }

  #enqueue(partition: number, publish: Publish, gate: PublishGate): void {
    let queue = this.#queues.get(partition);
    if (queue === undefined) {
      queue = { waiting: [], isBusy: false, parked: new Map() };
      this.#queues.set(partition, queue);
    }
    queue.waiting.push(publish);
    if (!queue.isBusy) void this.#drain(partition, queue, gate);
  }

  /** Never rejects: gates don't. */
  async #drain(partition: number, queue: GateQueue, gate: PublishGate): Promise<void> {
    queue.isBusy = true;
    for (;;) {
      const batch = takeBatch(queue);
      if (batch.length === 0) break;
      const verdicts = await gate.check(partition, batch);
      for (const [index, publish] of batch.entries()) {
        const verdict = must(verdicts[index], "a gate says for each publish");
        const lane = queue.parked.get(publish.lane);
        if (lane !== undefined) lane.push(publish);
        else this.#follow(verdict, { partition, queue, gate, publish });
      }
    }
    queue.isBusy = false;
  }

  #follow(
    verdict: GateVerdict,
    place: {
      readonly partition: number;
      readonly queue: GateQueue;
      readonly gate: PublishGate;
      readonly publish: Publish;
    },
  ): void {
    const { partition, queue, gate, publish } = place;
    this.#options.watch?.checked(publish, verdict);
    switch (verdict.kind) {
      case "append":
        return this.#append(partition, publish);
      case "answer":
        return this.#answer(publish, verdict.outcome);
      case "wait": {
        queue.parked.set(publish.lane, [publish]);
        void verdict.until.then(() => this.#unpark(publish, { partition, queue, gate }));
      }
    }
  }

  /** The lane's first has waited: it is checked again with all behind it, or its time is over. */
  #unpark(
    first: Publish,
    place: {
      readonly partition: number;
      readonly queue: GateQueue;
      readonly gate: PublishGate;
    },
  ): void {
    const { partition, queue, gate } = place;
    const lane = must(queue.parked.get(first.lane), "who waits is parked");
    queue.parked.delete(first.lane);
    if (this.#options.clock.nowMs() >= first.deadlineMs) {
      lane.shift();
      // Whoever has its key may still append it.
      first.onOutcome({ kind: "unknown" });
      first.onSettled({ kind: "not-appended", why: "its key was in use for too long" });
    }
    queue.waiting = [...lane, ...queue.waiting];
    if (!queue.isBusy) void this.#drain(partition, queue, gate);
  }

  /** Both users of a private conversation hear of its message before the sender does. */
  #answer(publish: Publish, outcome: PublishOutcome): void {
    if (outcome.kind !== "appended") return publish.onOutcome(outcome);
    const { conversation } = publish.frame;
    this.#inboxes.announce({ conversation, sender: publish.sender, pos: outcome.pos }, (isTold) => {
      if (isTold) return publish.onOutcome(outcome);
      // The message is in the log; publishing its key again tells of it.
      publish.onOutcome({ kind: "unknown" });
      publish.onSettled({ kind: "not-appended", why: "its notices are missing" });
    });
  }

  #append(partition: number, publish: Publish): void {
    const { log, clock, gate } = this.#options;
    const settle = (outcome: SettledOutcome): void => gate?.settled?.(publish, outcome);
    const request: AppendRequest = {
      partition,
      key: Buffer.from(publish.frame.conversation),
      value: recordOf(publish, clock.wallMs()),
      headers: headersOf(publish),
      deadlineMs: publish.deadlineMs,
      isStillWanted: publish.isStillWanted,
      onOutcome: (outcome) => {
        this.#inFlight -= 1;
        if (outcome.kind !== "unknown") settle(outcome);
        this.#answer(publish, outcome.kind === "appended" ? answerOf(outcome, partition) : outcome);
      },
      onSettled: (outcome) => {
        settle(outcome);
        publish.onSettled(outcome);
      },
    };
    this.#inFlight += 1;
    log.append(request);
  }
}

/** Besides what the log's writer adds to know its records again: `edge`. */
function headersOf({ traceparent }: Publish): RecordHeader[] {
  if (traceparent === undefined) return [];
  return [{ name: TRACEPARENT_HEADER, value: Buffer.from(traceparent) }];
}

/** All that waits but what belongs to a parked lane, which goes there. */
function takeBatch(queue: GateQueue): Publish[] {
  const waiting = queue.waiting.splice(0);
  if (queue.parked.size === 0) return waiting;
  return waiting.filter((publish) => {
    const lane = queue.parked.get(publish.lane);
    lane?.push(publish);
    return lane === undefined;
  });
}

/** A message's own position is that of the next record: its offset + 1. */
function answerOf(
  { epoch, offset, timestampMs: ts }: Extract<SettledOutcome, { kind: "appended" }>,
  partition: number,
): PublishOutcome {
  return { kind: "appended", pos: formatPosition({ epoch, partition, offset: offset + 1n }), ts };
}
