import { type Clock, assert, delay, systemClock } from "@millrace/runtime";
import type {
  AppendRequest,
  BoundsOutcome,
  Epoch,
  Log,
  OffsetOutcome,
  ReadOutcome,
  ReadRequest,
  SettledOutcome,
  Unavailable,
} from "../port.ts";
import { type LaneAppend, MemoryLane } from "./memory-lane.ts";
import { MemoryTopic, isTooLarge } from "./memory-topic.ts";
import { Signal } from "./signal.ts";

export interface MemoryLogOptions {
  readonly clock?: Clock;
  /** By default a topic of one partition. */
  readonly topic?: MemoryTopic;
  /** One way between log and topic, asked anew for each way of each request; 0 by default. */
  readonly latencyMs?: () => number;
}

const CLOSED = "the log was closed";

/**
 * A log in memory: for tests on any clock, and for a look at the product without a broker. It does
 * what the log over Kafka does, as `conformance.ts` says; `topic` has the controls.
 *
 * What the topic answers is decided in one step between the two ways, so an answer can be out of
 * date when it arrives, as on a network.
 */
export class MemoryLog implements Log {
  readonly topic: MemoryTopic;
  readonly #clock: Clock;
  readonly #latencyMs: () => number;
  readonly #listeners = new Set<(epoch: Epoch) => void>();
  readonly #lanes: MemoryLane[] = [];
  readonly #closed = new Signal();
  #epoch: Epoch | undefined;
  #isClosed = false;

  constructor(options: MemoryLogOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.topic = options.topic ?? new MemoryTopic({ clock: this.#clock });
    this.#latencyMs = options.latencyMs ?? (() => 0);
  }

  get epoch(): Epoch | undefined {
    return this.#epoch;
  }

  readonly unusedPartitions = 0;

  onEpoch(listener: (epoch: Epoch) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async open(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#way();
    signal?.throwIfAborted();
    this.#notice();
  }

  async close({ settleMs }: { readonly settleMs: number }): Promise<void> {
    this.#isClosed = true;
    this.#closed.fire();
    for (const lane of this.#lanes) lane.dropQueued(CLOSED);
    const end = new AbortController();
    const idle = Promise.all(this.#lanes.map((lane) => lane.whenIdle()));
    await Promise.race([idle, delay(this.#clock, settleMs, end.signal)]);
    end.abort();
    for (const lane of this.#lanes) lane.giveUp();
  }

  async readFrom(request: ReadRequest): Promise<ReadOutcome> {
    await this.#way();
    const deadlineMs = this.#clock.nowMs() + request.waitMs;
    let outcome = this.#read(request);
    while (isEmpty(outcome) && this.#clock.nowMs() < deadlineMs) {
      await this.#change(request.partition, deadlineMs - this.#clock.nowMs());
      outcome = this.#read(request);
    }
    await this.#way();
    return outcome;
  }

  bounds(partition: number): Promise<BoundsOutcome> {
    return this.#ask(() => this.topic.bounds(partition));
  }

  offsetAtTime(partition: number, timeMs: number): Promise<OffsetOutcome> {
    return this.#ask(() => this.topic.offsetAtTime(partition, timeMs));
  }

  append(request: AppendRequest): void {
    const { partition } = request;
    assert(this.#epoch !== undefined, "the log is open");
    assert(partition < this.#epoch.partitions, "a partition of the epoch");
    this.#lane(partition).append(request, this.#epoch.id);
  }

  #way(): Promise<void> {
    const latencyMs = this.#latencyMs();
    return latencyMs > 0 ? delay(this.#clock, latencyMs) : Promise.resolve();
  }

  /** Says so before anything of a new incarnation is handed on. */
  #notice(): void {
    const { epoch } = this.topic;
    if (this.#epoch?.id === epoch.id) return;
    this.#epoch = epoch;
    for (const listener of this.#listeners) listener(epoch);
  }

  /** The topic's word at that moment. */
  #answer<Outcome>(answer: () => Outcome): Outcome | Unavailable {
    if (this.#isClosed) return { kind: "unavailable", why: CLOSED };
    this.#notice();
    return answer();
  }

  async #ask<Outcome>(answer: () => Outcome): Promise<Outcome | Unavailable> {
    await this.#way();
    const outcome = this.#answer(answer);
    await this.#way();
    return outcome;
  }

  #read(request: ReadRequest): ReadOutcome {
    return this.#answer(() => this.topic.read(request));
  }

  /** Resolves at the next change of the partition, at the end of this log, or after that time. */
  async #change(partition: number, waitMs: number): Promise<void> {
    const end = new AbortController();
    await Promise.race([
      this.topic.changed(partition).next(end.signal),
      this.#closed.next(end.signal),
      delay(this.#clock, waitMs, end.signal),
    ]);
    end.abort();
  }

  #lane(partition: number): MemoryLane {
    for (let next = this.#lanes.length; next <= partition; next++) {
      const lane = new MemoryLane(this.#clock, {
        whenOpen: () => this.#whenOpen(next),
        attempt: (appends) => this.#attempt(next, appends),
        isTooLarge,
      });
      this.#lanes.push(lane);
    }
    const lane = this.#lanes[partition];
    assert(lane !== undefined, "every partition up to that one has a lane");
    return lane;
  }

  /** A partition that the topic no longer has takes nothing, and says so in the attempt. */
  async #whenOpen(partition: number): Promise<SettledOutcome | undefined> {
    for (;;) {
      if (this.#isClosed) return { kind: "not-appended", why: CLOSED };
      if (this.topic.isAvailable(partition)) return undefined;
      const end = new AbortController();
      const changes = [
        this.topic.changed(partition).next(end.signal),
        this.#closed.next(end.signal),
      ];
      await Promise.race(changes);
      end.abort();
    }
  }

  async #attempt(
    partition: number,
    appends: readonly LaneAppend[],
  ): Promise<readonly SettledOutcome[]> {
    const fault = this.topic.takeFault(partition);
    await this.#way();
    if (fault?.kind === "hold-request") await fault.until;
    this.#notice();
    const outcomes = appends.map(({ request: { key, value, headers }, epoch }) =>
      fault?.kind === "outcome"
        ? fault.outcome
        : this.topic.append(partition, { key, value, headers }, epoch),
    );
    if (fault?.kind === "hold-answer") await fault.until;
    await this.#way();
    return outcomes;
  }
}

export function createMemoryLog(options: MemoryLogOptions = {}): MemoryLog {
  return new MemoryLog(options);
}

function isEmpty(outcome: ReadOutcome): boolean {
  return outcome.kind === "chunk" && outcome.next === outcome.from;
}
