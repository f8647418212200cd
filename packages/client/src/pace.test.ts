import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { Pace } from "./pace.ts";
import { FakeEdge, LIMITS, type Up } from "./testing/fake-edge.ts";
import { at } from "./testing/frames.ts";

const ROOM = "room:1";

/** Answers what was not answered yet, as an edge with a fast log does. */
function answering(edge: FakeEdge) {
  const answered = new Set<number>();
  return (): Up[] => {
    const fresh = edge.socket.framesOf("pub").filter(({ id = -1 }) => !answered.has(id));
    for (const { id = -1 } of fresh) {
      answered.add(id);
      edge.socket.deliver({ t: "pubd", id, c: ROOM, pos: at(id), ts: 0 });
    }
    return fresh;
  };
}

describe("the SDK's pace", () => {
  it("lets a burst go, then one after the other", async () => {
    const clock = new FakeClock();
    const pace = new Pace(clock, { perSec: 50, burst: 10 });
    for (let index = 0; index < 10; index++) {
      expect(pace.waitMs()).toBe(0);
      pace.spend();
    }
    expect(pace.waitMs()).toBe(20);
    await clock.advance(20);
    expect(pace.waitMs()).toBe(0);
    pace.empty(500);
    expect(pace.waitMs()).toBe(520);
    await clock.advance(519);
    expect(pace.waitMs()).toBeGreaterThan(0);
    await clock.advance(2);
    expect(pace.waitMs()).toBe(0);
  });

  it("keeps publishes within what the welcome announces", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const answer = answering(edge);
    for (let index = 0; index < 1_000; index++) void client.publish(ROOM, `m${index}`);
    let sent = 0;
    for (let ms = 0; ms < 10_000; ms += 10) {
      await edge.clock.advance(10);
      sent += answer().length;
      const allowed = LIMITS.publishBurst + ((ms + 10) / 1_000) * LIMITS.publishPerSec;
      expect(sent).toBeLessThanOrEqual(allowed);
    }
    // It does not lag behind what it may send either.
    expect(sent).toBeGreaterThan(500);
    const bodies = edge.socket.framesOf("pub").map(({ body }) => body);
    expect(bodies).toEqual(bodies.map((_, index) => `m${index}`));
  });

  it("waits as long as the server says when somebody else has used the user's rate", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    void client.publish(ROOM, "a");
    void client.publish("room:2", "b");
    await edge.clock.settle();
    const [first] = edge.socket.framesOf("pub");
    const refusal = { t: "err", id: first?.id ?? -1, message: "", retryMs: 700 } as const;
    edge.socket.deliver({ ...refusal, code: "rate-limited" });
    void client.publish("room:3", "c");
    await edge.clock.advance(699);
    expect(edge.socket.framesOf("pub")).toHaveLength(2);
    await edge.clock.advance(60);
    expect(edge.socket.framesOf("pub").map(({ body }) => body)).toHaveLength(4);
  });

  it("keeps all frames of a connection within what the welcome announces, in their order", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    for (let index = 0; index < 1_200; index++) {
      client.subscribe(`room:${index}`, { onMessage: () => undefined });
    }
    await edge.clock.settle();
    expect(edge.socket.frames.length).toBeLessThanOrEqual(2 * LIMITS.framesPerSec);
    await edge.clock.advance(10_000);
    const subscribed = edge.socket.framesOf("sub").map(({ c }) => c);
    expect(subscribed).toEqual(Array.from({ length: 1_200 }, (_, index) => `room:${index}`));
  });
});
