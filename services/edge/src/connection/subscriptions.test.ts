import type { ConversationId } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { DeliveryWorld } from "../testing/delivery-world.ts";
import { roomIn } from "../testing/room-in.ts";
import type { TestClient } from "../testing/test-client.ts";

let clock: FakeClock;
let world: DeliveryWorld;
let client: TestClient;

beforeEach(async () => {
  clock = new FakeClock();
  world = new DeliveryWorld({ clock, partitions: 2 });
  await world.start();
  client = world.connect();
});

function states(): Record<string, string> {
  const { subscriptions } = client.report(100);
  return Object.fromEntries(subscriptions.map(({ conversation, state }) => [conversation, state]));
}

/** The peer takes nothing, until its outbox gives messages back. */
async function fallBehind(conversation: string): Promise<void> {
  client.socket.stall();
  for (let round = 0; round < 100 && states()[conversation] === "live"; round++) {
    world.append(conversation, "x".repeat(50), "y");
    await clock.advance(10);
  }
}

describe("what operators are told of a subscription", () => {
  it("says whether it is live, and whether it has fallen behind since", async () => {
    client.subscribe("room:a", { kind: "live" });
    await clock.advance(100);
    expect(client.report(100)).toEqual({
      subscriptionsTotal: 1,
      subscriptions: [
        {
          conversation: "room:a",
          partition: world.partition("room:a"),
          state: "live",
          told: expect.stringMatching(/\.0$/),
        },
      ],
    });
    await fallBehind("room:a");
    expect(states()).toEqual({ "room:a": "lagging" });
    client.flow();
    await clock.advance(5_000);
    expect(states()).toEqual({ "room:a": "live" });
    client.unsubscribe("room:a");
    await clock.advance(100);
    expect(client.report(100)).toEqual({ subscriptionsTotal: 0, subscriptions: [] });
  });

  it("tells one that is still fed from the log, and one whose start is being looked for", async () => {
    const bodies = Array.from({ length: 50 }, (_, index) => `message ${index} of the long run`);
    world.append("room:a", ...bodies);
    await clock.advance(100);
    client.socket.stall();
    client.subscribe("room:a", { kind: "earliest" });
    await clock.advance(100);
    expect(states()).toEqual({ "room:a": "catching-up" });
    client.subscribe("room:b", { kind: "earliest" });
    expect(client.report(100).subscriptions).toMatchObject([
      { conversation: "room:b", state: "finding", told: null, partition: expect.any(Number) },
      { conversation: "room:a", state: "catching-up", told: expect.any(String) },
    ]);
  });

  it("lists those that are not live before those that are, and counts all", async () => {
    for (const name of ["room:a", "room:b", "room:c", "room:d"]) {
      client.subscribe(name, { kind: "live" });
    }
    await clock.advance(100);
    await fallBehind("room:c");
    const { subscriptions, subscriptionsTotal } = client.report(2);
    expect(subscriptionsTotal).toBe(4);
    expect(subscriptions).toHaveLength(2);
    expect(subscriptions[0]).toMatchObject({ conversation: "room:c", state: "lagging" });
  });

  it("counts subscribers by partition, each once a conversation, until it leaves", async () => {
    const [other, gone] = [world.connect(), world.connect()];
    const names = ["room:a", "room:b", roomIn(0, 2), roomIn(1, 2)];
    for (const each of [client, other, gone]) {
      for (const name of names) each.subscribe(name, { kind: "live" });
    }
    await clock.advance(100);
    const expected = (clients: number): number[] =>
      [0, 1].map((partition) => {
        return clients * names.filter((name) => world.partition(name) === partition).length;
      });
    const members = (): number[] => [0, 1].map((partition) => world.hubs.members(partition));
    expect(members()).toEqual(expected(3));
    // A break takes the hubs away; whoever comes back holds another.
    for (const name of names) world.append(name, "one", "two");
    await clock.advance(100);
    const broken = world.hubs.find("room:a" as ConversationId);
    world.truncate(world.partition("room:a"), 1n);
    await clock.advance(60_000);
    expect(world.hubs.find("room:a" as ConversationId)).not.toBe(broken);
    expect(members()).toEqual(expected(3));
    gone.close();
    expect(members()).toEqual(expected(2));
    for (const each of [client, other]) for (const name of names) each.unsubscribe(name);
    await clock.advance(100);
    expect(members()).toEqual([0, 0]);
  });
});
