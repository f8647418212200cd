import type { DownFrame } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { told } from "../hub/told.ts";
import { DeliveryWorld } from "../testing/delivery-world.ts";
import { positionOf } from "../testing/message-archive.ts";
import type { TestClient } from "../testing/test-client.ts";

const ROOM = "room:a";
const OTHER = "room:b";
const RUNS = process.env["MILLRACE_FULL"] === "1" ? 2_000 : 250;

async function setUp(capacityBytes = 100_000) {
  const clock = new FakeClock();
  const world = new DeliveryWorld({ clock });
  await world.start();
  return { clock, world, client: world.connect(capacityBytes) };
}

/** The user's rights in the room begin at that offset, from now on. */
function begin(world: DeliveryWorld, client: TestClient, offset: bigint): void {
  client.beginnings.set(ROOM, told(world.topic.epoch.id, world.partition(ROOM), offset));
  client.onRuled(ROOM);
}

function remove(client: TestClient): void {
  client.removed.add(ROOM);
  client.onRuled(ROOM);
}

/** What the socket was handed from that message of its on, frame by frame. */
function handed(client: TestClient, since = 0): DownFrame[] {
  return client.socket.messages.slice(since).flatMap((text) => {
    const parsed = JSON.parse(text) as DownFrame | DownFrame[];
    return Array.isArray(parsed) ? parsed : [parsed];
  });
}

/** `msg 3`, `gap forbidden 0→3`, `live 4`: offsets of positions. */
function words(frames: readonly DownFrame[]): string[] {
  return frames.map((frame) => {
    if (frame.t === "gap") return `gap ${frame.reason} ${at(frame.after)}→${at(frame.pos)}`;
    return "pos" in frame ? `${frame.t} ${at(frame.pos)}` : frame.t;
  });
}

function at(pos: string): bigint {
  return positionOf(pos).offset;
}

describe("rights that begin", () => {
  it("are told as one gap, and delivery goes on where they begin", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, "a", "b", "c", "d");
    begin(world, client, 2n);
    client.subscribe(ROOM, { kind: "earliest" });
    await clock.advance(100);
    world.append(ROOM, "e");
    await clock.advance(100);
    const expected = ["subd 0", "gap forbidden 0→2", "msg 3", "msg 4", "live 4", "msg 5"];
    expect(words(client.frames)).toEqual(expected);
  });

  it("say nothing to who is beyond them, and nothing is lost when they are lifted", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, "a", "b");
    await clock.advance(100);
    client.subscribe(ROOM, { kind: "live" });
    await clock.advance(100);
    begin(world, client, 2n);
    world.append(ROOM, "c");
    await clock.advance(100);
    client.beginnings.delete(ROOM);
    client.onRuled(ROOM);
    client.subscribe(ROOM, { kind: "earliest" });
    await clock.advance(100);
    const again = ["subd 0", "msg 1", "msg 2", "msg 3", "live 3"];
    expect(words(client.frames)).toEqual(["subd 2", "live 2", "msg 3", ...again]);
  });

  it("take back what waits for a socket that is full", async () => {
    const { clock, world, client } = await setUp(400);
    client.subscribe(ROOM, { kind: "live" });
    await clock.advance(100);
    client.socket.stall();
    world.append(ROOM, "a", "b", "c", "d", "e", "f");
    await clock.advance(100);
    const since = client.socket.messages.length;
    begin(world, client, 5n);
    client.flow();
    await clock.advance(1_000);
    const later = handed(client, since).filter(({ t }) => t === "msg");
    expect(words(later)).toEqual(["msg 6"]);
    await world.rest();
    client.view.expectArrived();
  });

  it("take back what is due to a socket and not written yet", async () => {
    const { clock, world, client } = await setUp();
    const other = world.connect(100_000);
    client.subscribe(ROOM, { kind: "live" });
    await clock.advance(100);
    other.subscribe(ROOM, { kind: "live" });
    await clock.advance(100);
    // Whoever was live first is written to first.
    client.onRead = ({ t }) => {
      if (t === "msg") begin(world, other, 2n);
    };
    world.append(ROOM, "a", "b");
    await clock.advance(100);
    world.append(ROOM, "c");
    await clock.advance(100);
    expect(words(client.frames)).toEqual(["subd 0", "live 0", "msg 1", "msg 2", "msg 3"]);
    const expected = ["subd 0", "live 0", "gap forbidden 0→2", "live 2", "msg 3"];
    expect(words(other.frames)).toEqual(expected);
  });

  it("hold also where the tail has not come yet", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, "old");
    await clock.advance(100);
    world.topic.recreate();
    world.topic.pretendEnd(0, 0n);
    world.append(ROOM, "a", "b", "c");
    begin(world, client, 2n);
    await clock.advance(100);
    const text = "mem-0000.0.1";
    client.subscribe(ROOM, { kind: "after", text, position: positionOf(text) });
    await clock.advance(100);
    world.topic.pretendEnd(0, undefined);
    await clock.advance(10_000);
    const expected = ["subd 1", "gap recreated 1→0", "gap forbidden 0→2", "live 2", "msg 3"];
    expect(words(client.frames)).toEqual(expected);
  });

  it("of another incarnation hold back nothing", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, "a");
    begin(world, client, 1n);
    world.topic.recreate();
    world.append(ROOM, "b");
    await clock.advance(100);
    client.subscribe(ROOM, { kind: "earliest" });
    await clock.advance(100);
    expect(words(client.frames)).toEqual(["subd 0", "msg 1", "live 1"]);
  });
});

describe("a removal", () => {
  it("stops a catch-up, and what waits for the socket, at once", async () => {
    const { clock, world, client } = await setUp(400);
    world.append(ROOM, ...Array.from({ length: 48 }, (_, index) => `${index}`));
    client.subscribe(ROOM, { kind: "earliest" });
    client.socket.stall();
    await clock.advance(100);
    expect(client.view.deliveries.get(ROOM)?.isLive).not.toBe(true);
    const since = client.socket.messages.length;
    remove(client);
    world.append(ROOM, "m");
    client.flow();
    await clock.advance(5_000);
    expect(handed(client, since)).toEqual([{ t: "unsubd", c: ROOM, code: "forbidden" }]);
  });
});

describe("a removal that comes while a place is looked for", () => {
  it.each(["subscribe", "restore"] as const)("wins over a %s", async (verb) => {
    const clock = new FakeClock();
    const world = new DeliveryWorld({ clock });
    world.append(ROOM, "a");
    world.topic.setAvailable(0, false);
    await world.start();
    const client = world.connect(100_000);
    if (verb === "subscribe") client.subscribe(ROOM, { kind: "earliest" });
    else client.restore(ROOM, "mem-0000.0.0");
    await clock.advance(100);
    remove(client);
    expect(client.frames).toEqual([]);
    world.topic.setAvailable(0, true);
    await clock.advance(1_000);
    const [first, ...more] = client.frames;
    const answer = verb === "subscribe" ? { t: "err", id: 1 } : { t: "unsubd", c: ROOM };
    expect(first).toMatchObject({ ...answer, code: "forbidden" });
    expect(more).toEqual([]);
  });
});

type Step =
  | { readonly kind: "append"; readonly conversation: string; readonly sizes: readonly number[] }
  | { readonly kind: "subscribe"; readonly from: "live" | "earliest" | "told" }
  | { readonly kind: "begin"; readonly back: number }
  | { readonly kind: "remove" | "restore" | "unlimit" | "stall" | "flow" | "skip" | "settle" }
  | { readonly kind: "drain" | "advance"; readonly by: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      conversation: fc.constantFrom(ROOM, OTHER),
      sizes: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("subscribe" as const),
      from: fc.constantFrom("live" as const, "earliest" as const, "told" as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("begin" as const),
      back: fc.integer({ min: 0, max: 9 }),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "remove" as const,
        "restore" as const,
        "unlimit" as const,
        "stall" as const,
        "flow" as const,
        "skip" as const,
        "settle" as const,
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("drain" as const, "advance" as const),
      by: fc.integer({ min: 1, max: 600 }),
    }),
  },
);

/** Judges what the socket is handed, by the rulings of the moment in which it is. */
class Judge {
  readonly #world: DeliveryWorld;
  readonly #client: TestClient;
  #seen = 0;

  constructor(world: DeliveryWorld, client: TestClient) {
    this.#world = world;
    this.#client = client;
  }

  /** Everything since the last look was handed over under the same rulings as now. */
  look(): void {
    const frames = handed(this.#client, this.#seen);
    this.#seen = this.#client.socket.messages.length;
    const beginning = this.#client.beginnings.get(ROOM);
    for (const frame of frames) {
      if (frame.t !== "msg" || frame.c !== ROOM) continue;
      if (this.#client.removed.has(ROOM)) throw new Error(`${frame.pos} after the removal`);
      const { offset } = positionOf(frame.pos);
      // A message's own record stands one before its position.
      if (beginning !== undefined && offset <= beginning.offset) {
        throw new Error(`${frame.pos} before ${beginning.text}`);
      }
    }
  }

  async take(action: Step): Promise<void> {
    const [world, client] = [this.#world, this.#client];
    switch (action.kind) {
      case "append":
        return world.append(action.conversation, ...action.sizes.map((size) => "x".repeat(size)));
      case "subscribe":
        return this.#subscribe(action.from);
      case "begin": {
        const { endOffset } = world.topic.range(world.partition(ROOM));
        const offset = endOffset - BigInt(action.back);
        return begin(world, client, offset < 0n ? 0n : offset);
      }
      case "remove":
        return remove(client);
      case "restore":
        client.removed.delete(ROOM);
        return client.onRuled(ROOM);
      case "unlimit":
        client.beginnings.delete(ROOM);
        return client.onRuled(ROOM);
      case "stall":
        return client.socket.stall();
      case "flow":
        return client.flow();
      case "skip":
        return client.skip(ROOM);
      case "settle":
        return world.clock.settle();
      case "drain":
        return client.drain(action.by);
      case "advance":
        return world.clock.advance(action.by);
    }
  }

  #subscribe(from: Extract<Step, { kind: "subscribe" }>["from"]): void {
    const { view } = this.#client;
    const text = view.positions(ROOM).at(-3);
    if (from !== "told") return this.#client.subscribe(ROOM, { kind: from });
    if (text === undefined) return;
    const position = positionOf(text);
    this.#client.subscribe(ROOM, { kind: "after", text, position });
  }
}

describe("rulings", () => {
  it("hold for every frame that is handed over, whatever was under way", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1_000, max: 4_000 }),
        fc.array(step, { maxLength: 60, size: "max" }),
        async (capacityBytes, steps) => {
          const { world, client } = await setUp(capacityBytes);
          const judge = new Judge(world, client);
          client.subscribe(OTHER, { kind: "live" });
          for (const action of steps) {
            await judge.take(action);
            judge.look();
          }
          await world.rest();
          judge.look();
          client.view.expectArrived();
          await world.stop();
          expect(world.hubs.size).toBe(0);
        },
      ),
      { numRuns: RUNS },
    );
  }, 120_000);
});
