import { describe, expect, it } from "vitest";
import { Backoff } from "./backoff.ts";
import { FakeEdge } from "./testing/fake-edge.ts";
import { seededRandom } from "./testing/seeded-random.ts";

const CLIENTS = 1_000;
const DOWN_MS = 60_000;
const LONGEST_MS = 30_000;
const BIN_MS = 100;

describe("clients whose server is gone", () => {
  // C-073
  it("Clients that lost their server come back spread out", async () => {
    const delays = Array.from({ length: 500 }, (_, index) => {
      const backoff = new Backoff(seededRandom(index));
      return Array.from({ length: 20 }, () => backoff.nextMs());
    });
    // The first one is a delay as well, and the last ones fill all of the range.
    expect(delays.every(([first = 0]) => first > 0 && first < 500)).toBe(true);
    const capped = delays.flatMap((all) => all.slice(7));
    for (let tenth = 0; tenth < 10; tenth++) {
      const from = (tenth * LONGEST_MS) / 10;
      const inside = capped.filter((ms) => ms >= from && ms < from + LONGEST_MS / 10);
      expect(inside.length / capped.length).toBeGreaterThan(0.08);
      expect(inside.length / capped.length).toBeLessThan(0.12);
    }
    const attempts = (
      await Promise.all(Array.from({ length: CLIENTS }, (_, index) => attemptsOf(index)))
    ).map((times) => times.filter((ms) => ms < DOWN_MS + LONGEST_MS));
    // Each has lost its server at the same moment; nobody overtakes its own backoff.
    const bins = new Map<number, number>();
    for (const ms of attempts.flat()) {
      if (ms < LONGEST_MS) continue;
      const bin = Math.floor(ms / BIN_MS);
      bins.set(bin, (bins.get(bin) ?? 0) + 1);
    }
    expect(Math.max(...bins.values()) / CLIENTS).toBeLessThan(0.03);
    expect(attempts.every((times) => times.length > 4 && times.length < 60)).toBe(true);
  });

  it("reset their delay only after a connection that lasted", async () => {
    const edge = new FakeEdge();
    await edge.ready();
    const delayMs = async (lastedMs: number): Promise<number> => {
      edge.socket.deliver({ t: "pong", serverTime: 0 });
      for (let ms = 0; ms < lastedMs; ms += 10_000) {
        await edge.clock.advance(10_000);
        edge.socket.deliver({ t: "pong", serverTime: 0 });
      }
      const lostAtMs = edge.clock.nowMs();
      await edge.cut();
      return edge.clock.nowMs() - lostAtMs;
    };
    const short = [await delayMs(0), await delayMs(0), await delayMs(20_000)];
    expect(short).toEqual([300, 500, 1_000]);
    expect(await delayMs(30_000)).toBe(300);
  });
});

/** When it tries, from the loss of a server that nobody reaches for a minute. */
async function attemptsOf(seed: number): Promise<number[]> {
  const edge = new FakeEdge();
  const random = seededRandom(seed);
  await edge.ready({ environment: { ...edge.environment, random } });
  const lostAtMs = edge.clock.nowMs();
  edge.socket.end(1006);
  const times: number[] = [];
  while (edge.clock.nowMs() - lostAtMs < DOWN_MS + LONGEST_MS) {
    const before = edge.sockets.length;
    await edge.clock.advance(BIN_MS);
    if (edge.sockets.length === before) continue;
    times.push(edge.clock.nowMs() - lostAtMs);
    edge.socket.end(1006);
  }
  return times;
}
