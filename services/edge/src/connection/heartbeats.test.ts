import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../limits.ts";
import { Heartbeats, type Pulse } from "./heartbeats.ts";

const PING_MS = 25_000;
const { laggingPatienceMs } = LIMITS;
/** A verdict is at most one tick late. */
const TICK_MS = PING_MS / 64;

interface Peer {
  pulse: Pulse;
  pings: number[];
  silentAtMs: number | undefined;
  bufferedBytes: number;
  sentBytes: number;
  answers: boolean;
}

function peerOn(heartbeats: Heartbeats, clock: FakeClock, answers = true): Peer {
  const peer = {
    pings: [],
    silentAtMs: undefined,
    bufferedBytes: 0,
    sentBytes: 0,
    answers,
  } as unknown as Peer;
  peer.pulse = heartbeats.watch({
    ping: () => {
      peer.pings.push(clock.nowMs());
      if (peer.answers) peer.pulse.answered();
    },
    bufferedBytes: () => peer.bufferedBytes,
    sentBytes: () => peer.sentBytes,
    onSilence: () => {
      peer.silentAtMs = clock.nowMs();
    },
  });
  return peer;
}

function setUp(pingMs = PING_MS) {
  const clock = new FakeClock();
  const heartbeats = new Heartbeats({ clock, pingMs, laggingPatienceMs });
  return { clock, heartbeats, peer: (answers = true) => peerOn(heartbeats, clock, answers) };
}

describe("heartbeats", () => {
  it("ping every line once an interval, and leave it alone as long as it answers", async () => {
    const { clock, peer } = setUp();
    const one = peer();
    await clock.advance(7_000);
    const other = peer();
    await clock.advance(10 * PING_MS + 2 * TICK_MS);
    expect(one.pings).toHaveLength(10);
    expect(other.pings).toHaveLength(10);
    for (const [index, atMs] of one.pings.entries()) {
      const sinceMs = atMs - (one.pings[index - 1] ?? 0);
      expect(sinceMs).toBeGreaterThanOrEqual(PING_MS);
      expect(sinceMs).toBeLessThanOrEqual(PING_MS + 2 * TICK_MS);
    }
    expect(one.silentAtMs).toBeUndefined();
  });

  it("end a line two intervals after it was last heard, however often it was pinged", async () => {
    const { clock, peer, heartbeats } = setUp();
    const mute = peer(false);
    await clock.advance(33_333);
    mute.pulse.heard();
    await clock.advance(2 * PING_MS - 1);
    expect(mute.silentAtMs).toBeUndefined();
    await clock.advance(2 * TICK_MS);
    expect(mute.silentAtMs).toBeDefined();
    expect(heartbeats.size).toBe(0);
    const pings = mute.pings.length;
    await clock.advance(10 * PING_MS);
    expect(mute.pings).toHaveLength(pings);
  });

  it("give a lagging line ten minutes from its last progress, until it is heard again", async () => {
    const { clock, peer } = setUp();
    const slow = peer(false);
    slow.bufferedBytes = 70_000;
    await clock.advance(300_000);
    // Drained, but the ping may still stand in the kernel's buffer.
    slow.pulse.drained();
    slow.bufferedBytes = 0;
    await clock.advance(laggingPatienceMs - 1);
    expect(slow.silentAtMs).toBeUndefined();
    await clock.advance(2 * TICK_MS);
    expect(slow.silentAtMs).toBeDefined();
    const back = peer(false);
    back.bufferedBytes = 70_000;
    await clock.advance(100_000);
    back.bufferedBytes = 0;
    back.pulse.heard();
    await clock.advance(2 * PING_MS + 2 * TICK_MS);
    expect(back.silentAtMs).toBeDefined();
  });

  it("wait for a slow peer that reads what the kernel took at once, and not for a dead one that is busy", async () => {
    const { clock, peer } = setUp();
    const [slow, busy] = [peer(), peer()];
    const flow = async (ms: number): Promise<void> => {
      for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
        busy.sentBytes += 10_000;
        await clock.advance(1_000);
      }
    };
    await flow(4 * PING_MS);
    slow.sentBytes += 2_600_000;
    slow.answers = false;
    busy.answers = false;
    await flow(2 * PING_MS + 2_000);
    expect(busy.silentAtMs).toBeDefined();
    // It writes now and then, and reads on.
    slow.pulse.heard();
    await clock.advance(laggingPatienceMs / 2);
    expect(slow.silentAtMs).toBeUndefined();
    for (let ping = 0; ping < slow.pings.length; ping++) slow.pulse.answered();
    await clock.advance(2 * PING_MS + 2 * TICK_MS);
    expect(slow.silentAtMs).toBeDefined();
  });

  it("end nobody because the edge itself was held back", async () => {
    const { clock, peer } = setUp();
    const alive = peer();
    const mute = peer(false);
    await clock.advance(PING_MS / 2);
    clock.freeze(20 * 60_000);
    await clock.advance(PING_MS - 2 * TICK_MS);
    expect(mute.silentAtMs).toBeUndefined();
    await clock.advance(3 * TICK_MS);
    expect(mute.silentAtMs).toBeDefined();
    await clock.advance(5 * PING_MS);
    expect(alive.silentAtMs).toBeUndefined();
  });

  it("don't look at the wall clock", async () => {
    const { clock, peer } = setUp();
    const alive = peer();
    const mute = peer(false);
    for (const byMs of [3_600_000, -7_200_000, 86_400_000]) {
      clock.jumpWall(byMs);
      await clock.advance(5_000);
    }
    expect([alive.silentAtMs, mute.silentAtMs]).toEqual([undefined, undefined]);
    await clock.advance(2 * PING_MS - 15_000 + 2 * TICK_MS);
    expect(alive.silentAtMs).toBeUndefined();
    expect(mute.silentAtMs).toBeDefined();
  });

  it("have one timer for all lines, and none when there is no line", async () => {
    const { clock, heartbeats, peer } = setUp();
    const planned: number[] = [];
    const after = clock.after.bind(clock);
    clock.after = (delayMs, run) => {
      planned.push(delayMs);
      return after(delayMs, run);
    };
    const peers = Array.from({ length: 1_000 }, () => peer());
    expect(planned).toHaveLength(1);
    await clock.advance(PING_MS);
    expect(planned.length).toBeLessThanOrEqual(66);
    for (const { pulse } of peers) pulse.end();
    expect(heartbeats.size).toBe(0);
    planned.length = 0;
    await clock.advance(10 * PING_MS);
    expect(planned).toEqual([]);
  });
});
