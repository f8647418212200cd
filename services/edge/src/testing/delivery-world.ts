import { MemoryLog, MemoryTopic } from "@millrace/log";
import { type Clock, silentLogger } from "@millrace/runtime";
import { partitionOf } from "@millrace/schemas";
import { encodeMessage } from "@millrace/schemas/record";
import { CatchUp } from "../catchup/catch-up.ts";
import { StartPoints } from "../catchup/start-point.ts";
import { TurnGate } from "../catchup/turn-gate.ts";
import { Flusher } from "../connection/flusher.ts";
import { Hubs } from "../hub/hubs.ts";
import { type EdgeLimits, LIMITS } from "../limits.ts";
import { type EdgeMetrics, createMetrics } from "../metrics.ts";
import { Acknowledgements } from "../session/acknowledgements.ts";
import { CursorJournal } from "../session/cursor-journal.ts";
import type { CursorStore } from "../session/cursor-store.ts";
import { Cursors } from "../session/cursors.ts";
import { DirectPartition } from "../tail/direct-partition.ts";
import type { TailFollower, TailSink } from "../tail/partition-tail.ts";
import { Tails } from "../tail/tails.ts";
import { AckBook } from "./ack-book.ts";
import { finderOn } from "./finder-on.ts";
import { MemoryBlockStore } from "./memory-block-store.ts";
import type { WorldView } from "./client-view.ts";
import { MemoryCursorStore } from "./memory-cursor-store.ts";
import { MessageArchive } from "./message-archive.ts";
import { TestClient } from "./test-client.ts";

/** Bounds so small that a few messages reach each of them. */
const SMALL_LIMITS: EdgeLimits = {
  ...LIMITS,
  bufferedBytesMax: 2_000,
  bufferedBytesLow: 500,
  dueBytesMax: 4_000,
  answerBytesMax: 8_000,
  flushesPerTurn: 2,
  catchUpBytes: 700,
  readBytes: 900,
};

const NO_KEYS: TailFollower = { began: () => undefined, passed: () => undefined };

/** So few that a handful of messages makes a block. */
const BLOCK_OFFSETS = 8;

/** A clock that a test moves. */
export interface TestClock extends Clock {
  /** Runs what is due until nothing but timers is left. */
  settle(): Promise<void>;
  advance(byMs: number): Promise<void>;
}

/**
 * Everything between the log and the sockets of one edge, on a log in memory: hubs, tails,
 * catch-up, subscriptions, outboxes, cursors. The same wiring as in `edge.ts`, without server,
 * publishes and Redis. Several worlds on one topic, archive and store are edges of one cluster.
 */
export class DeliveryWorld {
  readonly clock: TestClock;
  readonly topic: MemoryTopic;
  readonly log: MemoryLog;
  readonly blocks: MemoryBlockStore;
  readonly archive: MessageArchive;
  readonly hubs: Hubs;
  readonly tails: Tails;
  readonly metrics: EdgeMetrics = createMetrics();
  readonly limits: EdgeLimits;
  readonly acknowledgements: Acknowledgements;
  readonly #flusher: Flusher;
  readonly #catchUp: CatchUp;
  readonly #startPoints: StartPoints;
  readonly #clients = new Set<TestClient>();
  #offence: string | undefined;

  constructor(options: {
    readonly clock: TestClock;
    readonly partitions?: number;
    readonly latencyMs?: () => number;
    readonly limits?: Partial<EdgeLimits>;
    readonly topic?: MemoryTopic;
    readonly archive?: MessageArchive;
    readonly blocks?: MemoryBlockStore;
    readonly store?: CursorStore;
    /** Partitions that are paused; `tails.obeyPauses` says that it has changed. */
    readonly pauses?: ReadonlySet<number>;
    readonly keys?: TailFollower;
  }) {
    const { clock, partitions = 1 } = options;
    const limits = { ...SMALL_LIMITS, ...options.limits };
    const logger = silentLogger;
    this.clock = clock;
    this.limits = limits;
    this.topic = options.topic ?? new MemoryTopic({ clock, partitions });
    this.archive = options.archive ?? new MessageArchive();
    const log = new MemoryLog({ ...options, topic: this.topic });
    this.log = log;
    const hubs = new Hubs(logger, this.metrics);
    this.hubs = hubs;
    const { metrics } = this;
    this.blocks = options.blocks ?? new MemoryBlockStore();
    const { index, finder } = finderOn(log, {
      clock,
      metrics,
      readBytes: limits.readBytes,
      store: this.blocks,
      blockOffsets: BLOCK_OFFSETS,
    });
    const { pauses, keys = NO_KEYS } = options;
    const sink: TailSink = {
      take: (chunk) => {
        if (pauses?.has(chunk.partition) === true) this.#offence ??= "handed on while it is paused";
        hubs.take(chunk);
      },
      break: (partition) => hubs.break(partition),
    };
    const tailOptions = { log, hubs: sink, clock, logger, limits, keys, followers: [index] };
    this.tails = new Tails({
      log,
      clock,
      sourceOf: (partition, origin) => new DirectPartition({ ...tailOptions, partition, origin }),
      isPaused: (partition) => pauses?.has(partition) ?? false,
    });
    this.#flusher = new Flusher(clock, limits.flushesPerTurn);
    const { tails } = this;
    const gate = new TurnGate(clock, 2);
    this.#catchUp = new CatchUp({
      log,
      finder,
      hubs,
      tails,
      clock,
      gate,
      limits,
      logger,
      metrics,
    });
    const store = options.store ?? new MemoryCursorStore();
    // What cursors leave in their own topic is nobody's matter here.
    const cursorLog = new MemoryLog({ clock, topic: new MemoryTopic({ clock }) });
    const journal = new CursorJournal({ log: cursorLog, clock, limits });
    const cursors = new Cursors({ store, journal, clock, limits });
    this.acknowledgements = new Acknowledgements({ log, tails, cursors });
    this.#startPoints = new StartPoints({ log, finder, cursors, limits });
  }

  /** What it has done though it must not, whatever clients saw of it. */
  get offence(): string | undefined {
    return this.#offence;
  }

  get clients(): ReadonlySet<TestClient> {
    return this.#clients;
  }

  async start(): Promise<void> {
    const opened = this.log.open();
    await this.clock.advance(100);
    await opened;
    await this.clock.advance(100);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    const closed = this.log.close({ settleMs: 0 });
    const stopped = this.tails.stop();
    await this.clock.advance(10_000);
    await Promise.all([closed, stopped]);
  }

  /** kill -9: its clients lose their lines, and nothing it had begun is finished. */
  kill(): void {
    for (const client of this.#clients) client.close();
    void this.log.close({ settleMs: 0 });
    void this.tails.stop();
  }

  partition(conversation: string): number {
    return partitionOf(Buffer.from(conversation), this.topic.epoch.partitions);
  }

  /** Appends messages of that conversation as one batch of another producer. */
  append(conversation: string, ...bodies: readonly string[]): void {
    const partition = this.partition(conversation);
    const epoch = this.topic.epoch.id;
    const messages = bodies.map((body) => ({ id: this.archive.newId(), body }));
    const { endOffset } = this.topic.range(partition);
    const timestampMs = this.clock.wallMs();
    for (const [index, { id }] of messages.entries()) {
      const offset = endOffset + BigInt(index);
      this.archive.add({ conversation, id, epoch, partition, offset, timestampMs });
    }
    this.topic.appendForeign(
      partition,
      messages.map((message) => ({
        key: Buffer.from(conversation),
        value: value({ ...message, conversation }),
      })),
    );
  }

  /** The partition loses everything from that offset on. */
  truncate(partition: number, offset: bigint): void {
    this.topic.truncate(partition, offset);
    this.archive.lose({ epoch: this.topic.epoch.id, partition, offset });
  }

  connect(capacityBytes = this.limits.bufferedBytesMax, book = new AckBook("s")): TestClient {
    const client = new TestClient({
      capacityBytes,
      book,
      acknowledgements: this.acknowledgements,
      limits: this.limits,
      hubs: this.hubs,
      tails: this.tails,
      metrics: this.metrics,
      flusher: this.#flusher,
      catchUp: this.#catchUp,
      startPoints: this.#startPoints,
      world: this.#view(),
      onClose: () => this.#clients.delete(client),
    });
    this.#clients.add(client);
    return client;
  }

  /** Brings everything to rest: partitions reachable, every peer reading. */
  async rest(): Promise<void> {
    const { partitions } = this.topic.epoch;
    for (let partition = 0; partition < partitions; partition++) {
      this.topic.setAvailable(partition, true);
      this.topic.pretendEnd(partition, undefined);
    }
    // A while longer than the last one needs, in which nothing may come twice.
    for (let round = 0, calm = 0; round < 20 && calm < 3; round++) {
      for (const client of this.#clients) client.flow();
      await this.clock.advance(1_000);
      calm = [...this.#clients].every(({ view }) => view.hasArrived) ? calm + 1 : 0;
    }
  }

  #view(): WorldView {
    return {
      archive: this.archive,
      epoch: () => this.topic.epoch.id,
      wallMs: () => this.clock.wallMs(),
      partition: (conversation) => this.partition(conversation),
      bounds: (conversation) => {
        const { startOffset, endOffset } = this.topic.range(this.partition(conversation));
        return { start: startOffset, end: endOffset };
      },
    };
  }
}

function value(message: {
  readonly id: string;
  readonly conversation: string;
  readonly body: string;
}) {
  return encodeMessage({
    id: message.id,
    conversation: message.conversation,
    sender: "bob",
    recipient: null,
    group: message.conversation,
    key: null,
    contentType: "text/plain",
    content: message.body,
    meta: {},
    ref: null,
    op: null,
    sentAt: 0n,
  });
}
