import type { LogChunk } from "@millrace/log";
import type { From } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DeliveryWorld } from "../testing/delivery-world.ts";
import type { TestClient } from "../testing/test-client.ts";

const ROOM = "room:a";
const LIVE: From = { kind: "live" };
const EARLIEST: From = { kind: "earliest" };

let clock: FakeClock;
let pauses: Set<number>;
let world: DeliveryWorld;
let client: TestClient;
/** Every record that the keys' follower heard of, and each run's beginning. */
let keys: string[];

beforeEach(async () => {
  clock = new FakeClock();
  pauses = new Set();
  keys = [];
  const follower = {
    began: (_: number, { text }: { text: string }) => void keys.push(`began ${text}`),
    passed: ({ records }: LogChunk) => void keys.push(...records.map(({ offset }) => `${offset}`)),
  };
  world = new DeliveryWorld({ clock, pauses, keys: follower });
  await world.start();
  client = world.connect(100_000);
});

afterEach(() => world.stop());

async function pause(is: boolean): Promise<void> {
  if (is) pauses.add(0);
  else pauses.delete(0);
  world.tails.obeyPauses();
  await clock.advance(10);
}

async function append(...bodies: readonly string[]): Promise<void> {
  world.append(ROOM, ...bodies);
  await clock.advance(100);
}

async function subscribe(from: From, who = client): Promise<void> {
  who.subscribe(ROOM, from);
  await clock.advance(1_000);
}

function bodies(who = client): string[] {
  return who.frames.flatMap((frame) => (frame.t === "msg" ? [frame.body ?? ""] : []));
}

describe("a partition that is paused", () => {
  it("hands on nothing, and when it goes on everything, in order and each once", async () => {
    await subscribe(LIVE);
    await append("a");
    await pause(true);
    for (const body of ["b", "c", "d"]) await append(body);
    await clock.advance(60_000);
    expect(bodies()).toEqual(["a"]);
    await pause(false);
    await append("e");
    expect(bodies()).toEqual(["a", "b", "c", "d", "e"]);
    client.view.expectArrived();
  });

  it("does not hand on what was being read when the pause came", async () => {
    await subscribe(LIVE);
    world.append(ROOM, "a");
    pauses.add(0);
    world.tails.obeyPauses();
    await clock.advance(10_000);
    expect(bodies()).toEqual([]);
    await pause(false);
    await clock.advance(10);
    expect(bodies()).toEqual(["a"]);
  });

  it("stands still by order: its lag grows, and nobody takes it for stalled", async () => {
    await append("a");
    await pause(true);
    await append("b", "c");
    await clock.advance(60_000);
    const [state] = world.tails.states();
    expect(state).toMatchObject({ isPaused: true, lag: 2, stalledMs: 0 });
    expect(state?.silenceMs).toBeLessThan(2_000);
    expect(world.tails.stalled()).toEqual([]);
    await pause(false);
    await clock.advance(100);
    expect(world.tails.states()).toMatchObject([{ isPaused: false, lag: 0, stalledMs: 0 }]);
  });

  it("gives who comes meanwhile the history up to its place, and is live from there on", async () => {
    await append("a", "b");
    await pause(true);
    // One batch, so that whoever reads up to the place gets what lies behind it, too.
    await append("c", "d");
    await subscribe(EARLIEST);
    const other = world.connect(100_000);
    await subscribe(LIVE, other);
    expect([bodies(), bodies(other)]).toEqual([["a", "b"], []]);
    expect(client.frames.at(-1)?.t).toBe("live");
    await pause(false);
    await clock.advance(100);
    expect([bodies(), bodies(other)]).toEqual([
      ["a", "b", "c", "d"],
      ["c", "d"],
    ]);
  });

  it("tells a client that was told more elsewhere nothing twice", async () => {
    await append("a");
    await pause(true);
    await append("b", "c");
    const { text } = { text: "mem-0000.0.2" };
    const position = { epoch: "mem-0000", partition: 0, offset: 2n } as never;
    await subscribe({ kind: "after", text, position });
    expect(bodies()).toEqual([]);
    await pause(false);
    await append("d");
    expect(bodies()).toEqual(["c", "d"]);
    client.view.expectArrived();
  });

  it("finds its place when it starts paused, and ends while it is paused", async () => {
    world.topic.setAvailable(0, false);
    const late = new DeliveryWorld({ clock, topic: world.topic, pauses: new Set([0]) });
    await late.start();
    expect(late.tails.position(0)).toBeUndefined();
    world.topic.setAvailable(0, true);
    await append("a");
    await clock.advance(2_000);
    expect(late.tails.position(0)?.offset).toBe(1n);
    await append("b");
    expect(late.tails.position(0)?.offset).toBe(1n);
    await late.stop();
  });
});

describe("the keys of a partition that is paused", () => {
  it("are read on as soon as somebody needs them, each once", async () => {
    await append("a");
    await pause(true);
    await append("b", "c");
    expect(keys).toEqual(["began mem-0000.0.0", "0"]);
    const passed = world.tails.whenPassed(0, 1_000);
    await clock.advance(500);
    expect((await passed)?.offset).toBe(3n);
    expect(world.tails.position(0)?.offset).toBe(1n);
    // What the tail reads next begins before the reader's end, and goes on behind it.
    world.append(ROOM, "d");
    await pause(false);
    await append("e");
    expect(keys).toEqual(["began mem-0000.0.0", "0", "1", "2", "3", "4"]);
  });

  it("are not known across a jump of the log before the tail itself has jumped", async () => {
    await append("a");
    await pause(true);
    await append("b", "c");
    const before = world.tails.whenPassed(0, 1_000);
    await clock.advance(500);
    await before;
    world.topic.recreate();
    await append("z");
    const passed = world.tails.whenPassed(0, 1_000);
    await clock.advance(2_000);
    expect(await passed).toBeUndefined();
    expect(keys.filter((word) => word.startsWith("began"))).toHaveLength(1);
    await pause(false);
    await clock.advance(1_000);
    expect(keys.slice(-2)).toEqual(["began mem-0001.0.0", "0"]);
  });
});
