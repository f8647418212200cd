import { assert, must } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { DeliveryWorld } from "../testing/delivery-world.ts";
import type { TestClient } from "../testing/test-client.ts";

const MESSAGES = 15;
const BODY = "x".repeat(200);
/** What the reader reads before it is looked at again. */
const SIP_BYTES = 500;

async function setUp(conversations: number, options: { readonly partitions?: number } = {}) {
  const clock = new FakeClock();
  // One read shows something of each, so that what comes first depends on turns alone.
  const world = new DeliveryWorld({ clock, limits: { readBytes: 1_000_000 }, ...options });
  await world.start();
  const rooms = Array.from({ length: conversations }, (_, index) => `room:${index}`);
  for (let message = 0; message < MESSAGES; message++) {
    for (const room of rooms) world.append(room, BODY);
  }
  await clock.advance(1_000);
  return { clock, world, rooms, client: world.connect(100_000) };
}

/** How many messages of each conversation have come. */
function counts(client: TestClient, rooms: readonly string[]): number[] {
  const byRoom = new Map(rooms.map((room) => [room, 0]));
  for (const frame of client.frames) {
    if (frame.t === "msg") byRoom.set(frame.c, must(byRoom.get(frame.c), "a room") + 1);
  }
  return [...byRoom.values()];
}

async function sip(client: TestClient, clock: FakeClock): Promise<void> {
  client.drain(SIP_BYTES);
  await clock.advance(1);
}

describe("the conversations of a slow reader", () => {
  it("are fed in turn, a helping each, however many they are", async () => {
    const { clock, world, rooms, client } = await setUp(40);
    client.socket.stall();
    for (const room of rooms) client.subscribe(room, { kind: "earliest" });
    let widest = 0;
    for (let sips = 0; Math.min(...counts(client, rooms)) < MESSAGES; sips++) {
      assert(sips < 10_000, "all comes in the end");
      await sip(client, clock);
      const each = counts(client, rooms);
      widest = Math.max(widest, Math.max(...each) - Math.min(...each));
    }
    // A helping is 700 bytes here, three of these messages: one turn that is over, one that is not.
    expect(widest).toBeLessThanOrEqual(6);
    client.flow();
    await clock.advance(5_000);
    client.view.expectArrived();
    await world.stop();
  });

  it("don't wait for one whose partition answers nothing", async () => {
    const answers: (() => void)[] = [];
    const { clock, world, rooms, client } = await setUp(4, { partitions: 2 });
    const dead = world.partition(must(rooms[0], "a room"));
    const readFrom = world.log.readFrom.bind(world.log);
    world.log.readFrom = async (request) => {
      const isDead = request.partition === dead && request.waitMs === 0;
      if (isDead) await new Promise<void>((resolve) => answers.push(resolve));
      return readFrom(request);
    };
    client.socket.stall();
    for (const room of rooms) client.subscribe(room, { kind: "earliest" });
    const others = rooms.filter((room) => world.partition(room) !== dead);
    expect(others.length).toBeGreaterThan(0);
    for (let sips = 0; Math.min(...counts(client, others)) < MESSAGES; sips++) {
      assert(sips < 10_000, "the others get everything");
      client.drain(SIP_BYTES);
      await clock.advance(300);
    }
    expect(answers.length).toBeGreaterThan(0);
    world.log.readFrom = readFrom;
    for (const answer of answers) answer();
    client.flow();
    await clock.advance(5_000);
    client.view.expectArrived();
    await world.stop();
  });
});
