import { must } from "@millrace/runtime";
import { type From, parsePosition } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeliveryWorld } from "../testing/delivery-world.ts";
import type { TestClient } from "../testing/test-client.ts";

const CONVERSATIONS = ["room:a", "room:b", "room:c", "room:d"];
const CLIENTS = 3;

const RUNS = 1_000;

type Step =
  | { readonly kind: "append"; readonly conversation: string; readonly bodies: number[] }
  | { readonly kind: "undecodable" | "hole"; readonly conversation: string }
  | {
      readonly kind: "subscribe";
      readonly client: number;
      readonly conversation: string;
      readonly from: StartWish;
    }
  | {
      readonly kind: "unsubscribe" | "skip";
      readonly client: number;
      readonly conversation: string;
    }
  | { readonly kind: "stall" | "flow" | "reconnect"; readonly client: number }
  | { readonly kind: "drain"; readonly client: number; readonly bytes: number }
  | { readonly kind: "advance"; readonly byMs: number }
  | { readonly kind: "settle" }
  | { readonly kind: "blocks"; readonly are: "lost" | "away" | "there" }
  | { readonly kind: "available"; readonly conversation: string; readonly is: boolean }
  | { readonly kind: "retain"; readonly conversation: string; readonly share: number }
  | { readonly kind: "behind"; readonly conversation: string; readonly by: number | undefined }
  | { readonly kind: "recreate"; readonly partitions: number };

/** A start, as far as it can be wished for without knowing what was told. */
type StartWish =
  | { readonly kind: "live" | "earliest" }
  | { readonly kind: "last"; readonly count: number }
  | { readonly kind: "told"; readonly index: number }
  | { readonly kind: "ahead"; readonly by: number }
  | { readonly kind: "time"; readonly agoMs: number };

const conversation = fc.constantFrom(...CONVERSATIONS);
const client = fc.nat(CLIENTS - 1);

const startWish: fc.Arbitrary<StartWish> = fc.oneof(
  fc.record({ kind: fc.constantFrom("live" as const, "earliest" as const) }),
  fc.record({ kind: fc.constant("last" as const), count: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant("told" as const), index: fc.nat(1_000) }),
  fc.record({ kind: fc.constant("ahead" as const), by: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant("time" as const), agoMs: fc.integer({ min: -10, max: 1_000 }) }),
);

function kinds<Kind extends string>(...names: readonly Kind[]): fc.Arbitrary<Kind> {
  return fc.constantFrom(...names);
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      kind: kinds("append"),
      conversation,
      bodies: fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kinds("undecodable", "hole"), conversation }) },
  {
    weight: 15,
    arbitrary: fc.record({ kind: kinds("subscribe"), client, conversation, from: startWish }),
  },
  { weight: 4, arbitrary: fc.record({ kind: kinds("unsubscribe", "skip"), client, conversation }) },
  { weight: 9, arbitrary: fc.record({ kind: kinds("stall", "flow"), client }) },
  { weight: 2, arbitrary: fc.record({ kind: kinds("reconnect"), client }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: kinds("drain"),
      client,
      bytes: fc.integer({ min: 1, max: 2_500 }),
    }),
  },
  {
    weight: 24,
    arbitrary: fc.record({
      kind: kinds("advance"),
      byMs: fc.constantFrom(1, 2, 5, 20, 300, 3_000),
    }),
  },
  { weight: 12, arbitrary: fc.record({ kind: kinds("settle") }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kinds("blocks"), are: kinds("lost", "away", "there") }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kinds("available"), conversation, is: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kinds("retain"),
      conversation,
      share: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kinds("behind"),
      conversation,
      by: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: kinds("recreate"), partitions: fc.integer({ min: 1, max: 3 }) }),
  },
);

interface Setting {
  readonly partitions: number;
  /** The way to the log, request by request, over and over. */
  readonly latencies: readonly number[];
  /** What each socket buffers before it drops. */
  readonly capacityBytes: number;
}

const setting: fc.Arbitrary<Setting> = fc.record({
  partitions: fc.integer({ min: 1, max: 3 }),
  latencies: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 7 }),
  capacityBytes: fc.constantFrom(1_200, 2_000, 100_000),
});

/** One run: a world, and the clients that judge it. */
class Run {
  readonly world: DeliveryWorld;
  readonly #clients: TestClient[] = [];
  readonly #capacityBytes: number;

  constructor({ partitions, latencies, capacityBytes }: Setting) {
    let asked = 0;
    this.#capacityBytes = capacityBytes;
    this.world = new DeliveryWorld({
      clock: new FakeClock(),
      partitions,
      latencyMs: () => latencies[asked++ % latencies.length] ?? 0,
    });
  }

  async start(): Promise<void> {
    await this.world.start();
    for (let index = 0; index < CLIENTS; index++) this.#clients.push(this.#connect());
  }

  async take(action: Step): Promise<void> {
    const { world } = this;
    switch (action.kind) {
      case "append":
        return world.append(action.conversation, ...action.bodies.map((size) => "x".repeat(size)));
      case "undecodable": {
        const foreign = { key: Buffer.from(action.conversation), value: Buffer.from("no frame") };
        world.topic.appendForeign(world.partition(action.conversation), [foreign]);
        return;
      }
      case "hole":
        return world.topic.appendHoles(world.partition(action.conversation), 1);
      case "settle":
        return world.clock.settle();
      case "blocks":
        if (action.are === "lost") world.blocks.blocks.clear();
        else world.blocks.isAway = action.are === "away";
        return;
      case "advance":
        return world.clock.advance(action.byMs);
      case "available":
        return world.topic.setAvailable(world.partition(action.conversation), action.is);
      case "behind":
        return this.#leadFrom(world.partition(action.conversation), action.by);
      case "retain":
        return this.#retain(world.partition(action.conversation), BigInt(action.share));
      case "recreate":
        world.topic.recreate({ partitions: action.partitions });
        return;
      case "subscribe":
      case "unsubscribe":
      case "skip":
      case "stall":
      case "flow":
      case "drain":
      case "reconnect":
        return this.#takeOf(action.client, action);
    }
  }

  /** Everything comes to rest, and everybody has everything. */
  async finish(): Promise<void> {
    await this.world.rest();
    const { bufferedBytesMax } = this.world.limits;
    for (const { view, socket } of this.world.clients) {
      view.expectArrived();
      // Docs: the bound, plus one frame; the largest here is under 1,000 bytes.
      expect(socket.bufferedBytesPeak).toBeLessThan(bufferedBytesMax + 1_000);
    }
    await this.world.stop();
    expect(this.world.hubs.size).toBe(0);
  }

  #connect(): TestClient {
    return this.world.connect(this.#capacityBytes);
  }

  #takeOf(index: number, action: Extract<Step, { client: number }>): void {
    const one = must(this.#clients[index], "a client");
    switch (action.kind) {
      case "subscribe":
        return one.subscribe(action.conversation, this.#from(one, action));
      case "unsubscribe":
        return one.unsubscribe(action.conversation);
      case "skip":
        return one.skip(action.conversation);
      case "stall":
        return one.socket.stall();
      case "flow":
        return one.flow();
      case "drain":
        return one.drain(action.bytes);
      case "reconnect": {
        // What is still buffered never comes; the new connection resumes from what did.
        one.close();
        const next = this.#connect();
        this.#clients[index] = next;
        for (const [text, { told }] of one.view.deliveries) next.subscribe(text, after(told));
        return;
      }
    }
  }

  #from(one: TestClient, action: Extract<Step, { kind: "subscribe" }>): From {
    const { from } = action;
    switch (from.kind) {
      case "live":
      case "earliest":
        return { kind: from.kind };
      case "last":
        return { kind: "last", count: from.count };
      case "told": {
        const positions = one.view.positions(action.conversation);
        const text = positions[from.index % Math.max(1, positions.length)];
        return text === undefined ? { kind: "live" } : after(text);
      }
      case "time":
        return { kind: "time", timeMs: this.world.clock.wallMs() - from.agoMs };
      case "ahead": {
        const partition = this.world.partition(action.conversation);
        const { endOffset } = this.world.topic.range(partition);
        const { id } = this.world.topic.epoch;
        return after(`${id}.${partition}.${endOffset + BigInt(from.by)}`);
      }
    }
  }

  /** A leader that does not know the newest few, or one that knows all. */
  #leadFrom(partition: number, by: number | undefined): void {
    const { endOffset } = this.world.topic.range(partition);
    this.world.topic.pretendEnd(partition, by === undefined ? by : endOffset - BigInt(by));
  }

  #retain(partition: number, share: bigint): void {
    const { startOffset, endOffset } = this.world.topic.range(partition);
    this.world.topic.deleteBefore(partition, startOffset + (endOffset - startOffset) / share);
  }
}

function after(text: string): From {
  return { kind: "after", text, position: must(parsePosition(text), "a position") };
}

describe("delivery", () => {
  it("keeps every subscription unbroken through full sockets, breaks, retention and resumes", async () => {
    await fc.assert(
      fc.asyncProperty(
        setting,
        fc.array(step, { maxLength: 120, size: "max" }),
        async (given, steps) => {
          const run = new Run(given);
          await run.start();
          for (const action of steps) await run.take(action);
          await run.finish();
        },
      ),
      { numRuns: RUNS },
    );
  }, 120_000);
});
