import { must } from "@millrace/runtime";
import { type DownFrame, type From, parsePosition } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { DeliveryWorld } from "../testing/delivery-world.ts";

const ROOM = "room:a";

async function setUp(options: Partial<ConstructorParameters<typeof DeliveryWorld>[0]> = {}) {
  const clock = new FakeClock();
  const world = new DeliveryWorld({ clock, ...options });
  await world.start();
  return { clock, world, topic: world.topic, client: world.connect(100_000) };
}

function after(text: string): From {
  return { kind: "after", text, position: must(parsePosition(text), "a position") };
}

/** Frames as short words: `msg 0:3→0:4`, `gap expired 0:0→0:2`, `live 0:4`. */
function told(frames: readonly DownFrame[]): string[] {
  return frames.map((frame) => {
    if (frame.t === "msg") return `msg ${place(frame.prev)}→${place(frame.pos)}`;
    if (frame.t === "gap") return `gap ${frame.reason} ${place(frame.after)}→${place(frame.pos)}`;
    return frame.t === "live" || frame.t === "subd" ? `${frame.t} ${place(frame.pos)}` : frame.t;
  });
}

/** Incarnation and offset of a position in partition 0. */
function place(text: string): string {
  return text.replace(/^mem-000/, "").replace(".0.", ":");
}

describe("catching up", () => {
  it("runs from a position into live without a hole or a repeat", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, "a", "b");
    world.append("room:other", "x");
    world.append(ROOM, "c");
    client.subscribe(ROOM, after("mem-0000.0.1"));
    await clock.advance(100);
    world.append(ROOM, "d");
    await clock.advance(100);
    const expected = ["subd 0:1", "msg 0:1→0:2", "msg 0:2→0:4", "live 0:4", "msg 0:4→0:5"];
    expect(told(client.frames)).toEqual(expected);
  });

  it("tells what retention has passed, and goes on at the oldest record", async () => {
    const { clock, world, topic, client } = await setUp();
    world.append(ROOM, "a", "b", "c", "d");
    topic.deleteBefore(0, 3n);
    client.subscribe(ROOM, after("mem-0000.0.1"));
    await clock.advance(100);
    const expected = ["subd 0:1", "gap expired 0:1→0:3", "msg 0:3→0:4", "live 0:4"];
    expect(told(client.frames)).toEqual(expected);
  });

  it("tells how many messages retention took, and no gap where it took none", async () => {
    const { clock, world, topic, client } = await setUp();
    const other = Array.from({ length: 20 }, () => "x");
    world.append(ROOM, "a", "b");
    world.append("room:other", ...other);
    world.append(ROOM, "c", "d", "e");
    await clock.advance(100);
    topic.deleteBefore(0, 24n);
    client.subscribe(ROOM, after("mem-0000.0.1"));
    client.subscribe("room:quiet", after("mem-0000.0.1"));
    await clock.advance(100);
    const gap = { c: ROOM, after: "mem-0000.0.1", pos: "mem-0000.0.24", reason: "expired" };
    const gaps = client.frames.filter(({ t }) => t === "gap");
    expect(gaps).toEqual([{ t: "gap", ...gap, missed: 3 }]);
    client.view.expectArrived();
  });

  it("tells a reader that lags how many messages retention took under it", async () => {
    const { clock, world, topic, client } = await setUp();
    client.subscribe(ROOM, { kind: "live" });
    await clock.advance(100);
    client.socket.stall();
    for (let round = 0; round < 50; round++) {
      world.append(ROOM, "x".repeat(300));
      world.append("room:other", "y");
      await clock.advance(10);
    }
    topic.deleteBefore(0, 90n);
    client.flow();
    await clock.advance(1_000);
    const messages = client.frames.filter(({ t }) => t === "msg").length;
    const gap = client.frames.find((frame) => frame.t === "gap");
    expect(gap).toMatchObject({ reason: "expired", missed: 50 - messages });
    expect(messages).toBeLessThan(20);
    client.view.expectArrived();
  });

  it("does not say how many were lost where it has not seen all of them", async () => {
    const clock = new FakeClock();
    const world = new DeliveryWorld({ clock });
    world.append(ROOM, "a", "b", "c", "d");
    await world.start();
    world.append(ROOM, "e");
    await clock.advance(100);
    world.topic.deleteBefore(0, 3n);
    const client = world.connect(100_000);
    client.subscribe(ROOM, after("mem-0000.0.1"));
    await clock.advance(100);
    expect(client.frames).toContainEqual(
      expect.objectContaining({ t: "gap", pos: "mem-0000.0.3", missed: null }),
    );
    client.view.expectArrived();
  });

  it("is live without reading the log when nothing was missed", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, "a");
    world.append("room:other", ...Array.from({ length: 30 }, () => "x"));
    await clock.advance(100);
    client.subscribe(ROOM, after("mem-0000.0.1"));
    await clock.advance(100);
    expect(told(client.frames)).toEqual(["subd 0:1", "live 0:31"]);
    expect((await world.metrics.catchUpReads.get()).values).toEqual([]);
  });

  it("tells of another incarnation, and goes on at its oldest record", async () => {
    const { clock, world, topic, client } = await setUp();
    world.append(ROOM, "a", "b");
    await clock.settle();
    client.subscribe(ROOM, { kind: "live" });
    await clock.advance(100);
    topic.recreate();
    world.append(ROOM, "c");
    await clock.advance(100);
    const expected = ["subd 0:2", "live 0:2", "gap recreated 0:2→1:0", "msg 1:0→1:1", "live 1:1"];
    expect(told(client.frames)).toEqual(expected);
  });

  it("believes that the log has lost its tail only after a while", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, "a", "b", "c");
    await clock.settle();
    client.subscribe(ROOM, { kind: "live" });
    await clock.advance(100);
    world.truncate(0, 1n);
    await clock.advance(world.limits.truncationPatienceMs - 500);
    expect(told(client.frames)).toEqual(["subd 0:3", "live 0:3"]);
    await clock.advance(5_000);
    world.append(ROOM, "again");
    await clock.advance(100);
    const behind = ["gap truncated 0:3→0:1", "live 0:1", "msg 0:1→0:2"];
    expect(told(client.frames).slice(2)).toEqual(behind);
  });

  it("says nothing of a leader that knows its end a moment later", async () => {
    const { clock, world, topic, client } = await setUp();
    world.append(ROOM, "a", "b", "c");
    client.subscribe(ROOM, { kind: "earliest" });
    await clock.advance(100);
    topic.pretendEnd(0, 1n);
    await clock.advance(world.limits.truncationPatienceMs - 500);
    topic.pretendEnd(0, undefined);
    world.append(ROOM, "d");
    await clock.advance(5_000);
    expect(told(client.frames).filter((frame) => frame.startsWith("gap"))).toEqual([]);
    expect(told(client.frames).at(-1)).toBe("msg 0:3→0:4");
  });

  it("tells no gap where the tail that was lost held no message of the conversation", async () => {
    const clock = new FakeClock();
    const world = new DeliveryWorld({ clock, latencyMs: () => 20 });
    world.append(ROOM, "a");
    // Longer than a few reads, and from before the edge's time, so that it is still catching up when
    // the tail is lost.
    world.append("room:other", ...Array.from({ length: 8 }, () => "x".repeat(500)));
    await world.start();
    await clock.advance(1_000);
    const client = world.connect(100_000);
    client.subscribe(ROOM, { kind: "earliest" });
    // Up to the second of its reads, and behind it.
    await clock.advance(130);
    expect(told(client.frames)).toEqual(["subd 0:0", "msg 0:0→0:1"]);
    world.truncate(0, 2n);
    await clock.advance(5_000);
    world.append(ROOM, "b");
    await clock.advance(1_000);
    expect(told(client.frames).slice(2)).toEqual(["live 0:2", "msg 0:2→0:3"]);
  });

  it("takes no client's word for a position that the log has not reached", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, "a");
    client.subscribe(ROOM, after("mem-0000.0.5"));
    await clock.advance(5_000);
    world.append(ROOM, "b");
    await clock.advance(100);
    const expected = ["subd 0:5", "gap truncated 0:5→0:1", "live 0:1", "msg 0:1→0:2"];
    expect(told(client.frames)).toEqual(expected);
  });

  it("leaves a partition that a position of a later incarnation named wrongly", async () => {
    const { clock, world, topic, client } = await setUp({ latencyMs: () => 5 });
    topic.recreate({ partitions: 3 });
    const right = world.partition(ROOM);
    const wrong = (right + 1) % 3;
    world.append(ROOM, "a");
    // The edge does not know this incarnation yet, so it can't know that partition is not the one.
    client.subscribe(ROOM, after(`mem-0001.${wrong}.0`));
    await clock.advance(5_000);
    const gap = client.frames.find(({ t }) => t === "gap");
    expect(gap).toMatchObject({ reason: "recreated", pos: `mem-0001.${right}.0` });
    expect(client.frames.filter(({ t }) => t === "msg")).toHaveLength(1);
    client.view.expectArrived();
  });

  it("waits for the reader, one helping at a time", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, ...Array.from({ length: 100 }, (_, index) => `${index}`.padStart(200, "x")));
    client.socket.stall();
    client.subscribe(ROOM, { kind: "earliest" });
    await clock.advance(10_000);
    const { bufferedBytesMax, catchUpBytes } = world.limits;
    expect(client.socket.bufferedBytes()).toBeLessThan(bufferedBytesMax + catchUpBytes);
    expect(client.socket.dropped).toBe(0);
    for (let round = 0; round < 200; round++) {
      client.drain(500);
      await clock.settle();
    }
    expect(client.frames.filter(({ t }) => t === "msg")).toHaveLength(100);
    client.flow();
    await clock.advance(1_000);
    client.view.expectArrived();
  });

  it("takes turns with the other conversations of its connection", async () => {
    const { clock, world, client } = await setUp({ limits: { readBytes: 1_000_000 } });
    const rooms = ["room:a", "room:b", "room:c"];
    const bodies = Array.from({ length: 40 }, (_, index) => `${index}`.padStart(100, "x"));
    for (const room of rooms) world.append(room, ...bodies);
    for (const room of rooms) client.subscribe(room, { kind: "earliest" });
    await clock.advance(1_000);
    const order = client.frames.flatMap((frame) => (frame.t === "msg" ? [frame.c] : []));
    expect(order).toHaveLength(120);
    const lastOfFirst = order.lastIndexOf("room:a");
    expect(order.indexOf("room:c")).toBeLessThan(lastOfFirst);
    expect(order.indexOf("room:b")).toBeLessThan(lastOfFirst);
  });

  it("jumps to live when the client skips, and tells exactly what is left out", async () => {
    const { clock, world, client } = await setUp();
    world.append(ROOM, ...Array.from({ length: 50 }, () => "x".repeat(300)));
    client.socket.stall();
    client.subscribe(ROOM, { kind: "earliest" });
    await clock.advance(100);
    client.skip(ROOM);
    await clock.advance(100);
    client.flow();
    await clock.advance(1_000);
    world.append(ROOM, "new");
    await clock.advance(100);
    const frames = told(client.frames);
    const taken = frames.filter((frame) => frame.startsWith("msg")).length - 1;
    expect(taken).toBeLessThan(20);
    expect(frames.slice(-4)).toEqual([
      "skipd",
      `gap skipped 0:${taken}→0:50`,
      "live 0:50",
      "msg 0:50→0:51",
    ]);
    client.skip(ROOM);
    await clock.advance(100);
    expect(told(client.frames).slice(-1)).toEqual(["skipd"]);
  });

  it("keeps a skip for when the partition can be reached, without asking all the time", async () => {
    const { clock, world, topic, client } = await setUp();
    client.subscribe(ROOM, { kind: "live" });
    client.skip(ROOM);
    topic.recreate({ partitions: 3 });
    topic.setAvailable(world.partition(ROOM), false);
    await clock.advance(10_000);
    topic.setAvailable(world.partition(ROOM), true);
    await clock.advance(10_000);
    client.view.expectArrived();
  });

  it("leaves nothing behind when its client goes away in the middle", async () => {
    const { clock, world, client } = await setUp({ latencyMs: () => 20 });
    world.append(ROOM, "a", "b");
    client.subscribe(ROOM, { kind: "earliest" });
    client.subscribe("room:b", { kind: "live" });
    await clock.advance(30);
    client.close();
    await clock.advance(1_000);
    expect(world.hubs.size).toBe(0);
    expect((await world.metrics.subscriptions.get()).values[0]?.value ?? 0).toBe(0);
  });
});
