import { MemoryLog, MemoryTopic } from "@millrace/log";
import { must } from "@millrace/runtime";
import { type EpochId, partitionOf } from "@millrace/schemas";
import { decodeMessage, encodeMessage } from "@millrace/schemas/record";
import { FakeClock } from "@millrace/testkit";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { lookBack } from "../catchup/look-back.ts";
import { told } from "../hub/told.ts";
import { finderOn } from "../testing/finder-on.ts";
import { foreignMessage } from "../testing/foreign-message.ts";
import { MemoryBlockStore } from "../testing/memory-block-store.ts";
import { hashOfKey } from "./conversation-hash.ts";

/** Of two partitions, all but the last belong to the first. */
const CONVERSATIONS = ["room:a", "room:b", "room:c", "room:d", "room:e", "room:g"];
const BLOCK_OFFSETS = 8;
const READ_BYTES = 1_500;
const RUNS = 400;

/** What a test knows of an offset, whatever the log has lost since. */
interface Written {
  readonly conversation: string | undefined;
}

const conversation = fc.constantFrom(...CONVERSATIONS);
const edge = fc.nat(1);
const share = fc.integer({ min: 0, max: 8 });

const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      conversations: fc.array(conversation, { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("undecodable", "hole", "misplaced", "keyless"),
      conversation,
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("tail" as const),
      edge,
      reads: fc.integer({ min: 1, max: 8 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("scan" as const), edge, share }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("lose", "away", "back"), share }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("spoil" as const), share }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("retain" as const), share }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate" as const), share }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("recreate" as const) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("find" as const),
      edge,
      conversation,
      from: share,
      upTo: share,
      /** Also what the tail has not passed, as history asks for. */
      isAhead: fc.boolean(),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

const setting = fc.record({
  partitions: fc.integer({ min: 1, max: 2 }),
  startOffset: fc.constantFrom(0n, 5n, 16n),
  /** So few that conversations collide; 40 as in the product. */
  hashBits: fc.constantFrom(1, 2, 40),
});

/** One edge's tail of partition 0, moved by hand, and its finder. */
class ModelEdge {
  readonly finder: ReturnType<typeof finderOn>["finder"];
  readonly #log: MemoryLog;
  readonly #index: ReturnType<typeof finderOn>["index"];
  position: { readonly epoch: EpochId; readonly offset: bigint };

  constructor(options: {
    readonly log: MemoryLog;
    readonly clock: FakeClock;
    readonly store: MemoryBlockStore;
    readonly hashOf: (key: Uint8Array) => number;
  }) {
    const { log } = options;
    this.#log = log;
    const { index, finder } = finderOn(log, {
      ...options,
      readBytes: READ_BYTES,
      blockOffsets: BLOCK_OFFSETS,
    });
    this.#index = index;
    this.finder = finder;
    this.position = { epoch: log.topic.epoch.id, offset: log.topic.range(0).endOffset };
    index.began(0, told(this.position.epoch, 0, this.position.offset));
  }

  async read(): Promise<void> {
    const { epoch, offset } = this.position;
    const request = { partition: 0, epoch, offset, waitMs: 0, bytesMax: READ_BYTES };
    const outcome = await this.#log.readFrom(request);
    if (outcome.kind === "chunk") {
      this.#index.passed(outcome);
      this.position = { epoch, offset: outcome.next };
    } else if (outcome.kind === "below-start") this.#jump(epoch, outcome.startOffset);
    else if (outcome.kind === "beyond-end") this.#jump(epoch, outcome.endOffset);
    else if (outcome.kind === "other-epoch") this.#jump(outcome.epoch.id, 0n);
  }

  async scan(offset: bigint): Promise<void> {
    const place = { partition: 0, epoch: this.position.epoch };
    await this.finder.read(place, this.finder.at(offset));
  }

  #jump(epoch: EpochId, offset: bigint): void {
    this.position = { epoch, offset };
    this.#index.began(0, told(epoch, 0, offset));
  }
}

class Run {
  readonly #clock = new FakeClock();
  readonly #topic: MemoryTopic;
  readonly #log: MemoryLog;
  readonly #store = new MemoryBlockStore();
  readonly #isExact: boolean;
  #edges: readonly ModelEdge[] = [];
  /** Of the incarnation of now, at the index of their offset. */
  #written: Written[] = [];
  readonly #hashOf: (key: Uint8Array) => number;

  constructor({
    partitions,
    startOffset,
    hashBits,
  }: typeof setting extends fc.Arbitrary<infer One> ? One : never) {
    this.#topic = new MemoryTopic({ clock: this.#clock, partitions, startOffset });
    this.#log = new MemoryLog({ clock: this.#clock, topic: this.#topic });
    this.#hashOf = (key) => hashOfKey(key) % 2 ** hashBits;
    this.#isExact = hashBits === 40;
    this.#written.length = Number(startOffset);
  }

  async start(): Promise<void> {
    await this.#log.open();
    this.#edges = [0, 1].map(
      () =>
        new ModelEdge({
          log: this.#log,
          clock: this.#clock,
          store: this.#store,
          hashOf: this.#hashOf,
        }),
    );
  }

  async take(action: Step): Promise<void> {
    switch (action.kind) {
      case "append":
        return this.#append(action.conversations);
      case "undecodable":
      case "hole":
      case "misplaced":
      case "keyless":
        return this.#appendOdd(action.kind, action.conversation);
      case "tail":
        for (let read = 0; read < action.reads; read++) await this.#edge(action.edge).read();
        return;
      case "scan":
        return this.#edge(action.edge).scan(this.#offsetAt(action.share));
      case "lose":
        return this.#loseBlock(action.share);
      case "spoil":
        return this.#spoilBlock(action.share);
      case "away":
      case "back":
        this.#store.isAway = action.kind === "away";
        return;
      case "wait":
        return this.#clock.advance(20_000);
      case "retain":
        return this.#topic.deleteBefore(0, this.#offsetAt(action.share));
      case "truncate":
        return this.#truncate(action.share);
      case "recreate":
        this.#topic.recreate();
        this.#written = [];
        return;
      case "find":
        return this.#find(action);
    }
  }

  #edge(number: number): ModelEdge {
    return must(this.#edges[number], "an edge");
  }

  #append(conversations: readonly string[]): void {
    const own = conversations.filter((c) => this.#isOwn(c));
    const records = own.map((c) => ({
      key: Buffer.from(c),
      value: encodeMessage(foreignMessage(c, "x".repeat(100))),
    }));
    if (records.length > 0) this.#topic.appendForeign(0, records);
    this.#written.push(...own.map((c) => ({ conversation: c })));
  }

  #appendOdd(kind: "undecodable" | "hole" | "misplaced" | "keyless", c: string): void {
    // A key of this partition that is written properly is no odd record.
    if (kind === "misplaced" && this.#isOwn(c)) return;
    const value = encodeMessage(foreignMessage(c, "odd"));
    const key = kind === "keyless" ? null : Buffer.from(c);
    if (kind === "hole") this.#topic.appendHoles(0, 1);
    else {
      const body = kind === "undecodable" ? Buffer.from("no frame") : value;
      this.#topic.appendForeign(0, [{ key, value: body }]);
    }
    this.#written.push({ conversation: undefined });
  }

  /** An offset of the log, from its start to its end. */
  #offsetAt(part: number): bigint {
    const { startOffset, endOffset } = this.#topic.range(0);
    return startOffset + ((endOffset - startOffset) * BigInt(part)) / 8n;
  }

  #loseBlock(part: number): void {
    const keys = [...this.#store.blocks.keys()];
    const key = keys[Math.floor((part / 9) * keys.length)];
    if (key !== undefined) this.#store.blocks.delete(key);
  }

  /** Bytes that are no block any more. */
  #spoilBlock(part: number): void {
    const keys = [...this.#store.blocks.keys()];
    const key = keys[Math.floor((part / 9) * keys.length)];
    const bytes = key === undefined ? undefined : this.#store.blocks.get(key);
    if (key !== undefined && bytes !== undefined) {
      this.#store.blocks.set(key, bytes.subarray(0, bytes.length - 1));
    }
  }

  /** The store is there and each tail notices, as docs/architecture.md has it. */
  async #truncate(part: number): Promise<void> {
    const end = this.#offsetAt(part);
    this.#store.isAway = false;
    this.#topic.truncate(0, end);
    this.#written.length = Number(end);
    for (const one of this.#edges) if (one.position.offset > end) await one.read();
  }

  async #find(action: Extract<Step, { kind: "find" }>): Promise<void> {
    const { finder, position } = this.#edge(action.edge);
    const { id: epoch } = this.#topic.epoch;
    const place = { epoch, partition: 0, conversation: action.conversation };
    // A tail that is still in another log says nothing of this one.
    const tailNext = position.epoch === epoch ? position.offset : 0n;
    const end = this.#offsetAt(action.upTo);
    const [from, upTo] = [
      this.#offsetAt(action.from),
      action.isAhead || end < tailNext ? end : tailNext,
    ];
    const early = from / 2n;
    this.#judgeCount(await finder.count(place, early, upTo), action.conversation, early, upTo);
    this.#judgeCount(finder.countNow(place, early, upTo), action.conversation, early, upTo);
    // Nobody looks for a conversation in a partition that is not its own.
    if (!this.#isOwn(action.conversation)) return;
    const wanted = this.#plain(action.conversation, from, upTo);
    expect(await this.#forward(finder, place, { from, upTo })).toEqual(wanted);
    const { startOffset } = this.#topic.range(0);
    const all = this.#plain(action.conversation, startOffset, upTo);
    const newest = await lookBack({
      finder,
      place,
      upTo,
      startOffset,
      count: action.count,
      bytesMax: 1_000_000,
      textOf: () => "",
    });
    if (newest.kind !== "found") throw new Error(newest.kind);
    const found = newest.messages.map(({ offset }) => offset);
    expect(found).toEqual(all.slice(-action.count));
  }

  #isOwn(c: string): boolean {
    return partitionOf(Buffer.from(c), this.#topic.epoch.partitions) === 0;
  }

  /** Also what is no longer in the log; a collision may add, and nothing may be left out. */
  #judgeCount(count: number | undefined, c: string, from: bigint, upTo: bigint): void {
    if (count === undefined) return;
    const written = this.#written.slice(Number(from), Math.max(Number(from), Number(upTo)));
    const exact = written.filter((one) => one?.conversation === c).length;
    if (this.#isExact) expect(count).toBe(exact);
    else expect(count).toBeGreaterThanOrEqual(exact);
  }

  /** A plain scan of what stands in the log. */
  #plain(c: string, from: bigint, upTo: bigint): bigint[] {
    return this.#topic
      .records(0)
      .filter(({ offset, key, value }) => {
        const isWithin = offset >= from && offset < upTo;
        const isOf = key !== null && Buffer.from(key).toString() === c;
        return isWithin && isOf && value !== null && decodeMessage(value).kind === "message";
      })
      .map(({ offset }) => offset);
  }

  async #forward(
    finder: ModelEdge["finder"],
    place: { readonly epoch: EpochId; readonly partition: number; readonly conversation: string },
    range: { readonly from: bigint; readonly upTo: bigint },
  ): Promise<bigint[]> {
    const found: bigint[] = [];
    for (let at = range.from; at < range.upTo;) {
      const next = await finder.forward(place, at, range.upTo);
      expect(next.from > at || next.upTo > next.from).toBe(true);
      at = next.from;
      if (next.from === next.upTo) continue;
      const outcome = await finder.read(place, next);
      if (outcome.kind !== "chunk") throw new Error(outcome.kind);
      for (const { offset, key, value } of outcome.records) {
        if (offset >= range.upTo || key === null || value === null) continue;
        const isOf = Buffer.from(key).toString() === place.conversation;
        if (isOf && decodeMessage(value).kind === "message") found.push(offset);
      }
      at = outcome.next;
    }
    return found;
  }
}

it("finds by the index exactly what a scan of the log finds", async () => {
  await fc.assert(
    fc.asyncProperty(
      setting,
      fc.array(step, { maxLength: 80, size: "max" }),
      async (given, steps) => {
        const run = new Run(given);
        await run.start();
        for (const action of steps) await run.take(action);
      },
    ),
    { numRuns: RUNS },
  );
}, 120_000);
