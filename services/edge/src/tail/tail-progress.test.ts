import { FakeClock } from "@millrace/testkit";
import { beforeEach, expect, it } from "vitest";
import { TailProgress } from "./tail-progress.ts";

let clock: FakeClock;
let progress: TailProgress;

beforeEach(() => {
  clock = new FakeClock();
  progress = new TailProgress(clock);
});

it("stands still only where the log is known to go on, however often it is answered", async () => {
  progress.at(5n);
  progress.heard(5n);
  await clock.advance(60_000);
  expect([progress.stalledMs, progress.silenceMs, progress.lag]).toEqual([0, 60_000, 0]);
  progress.ends(8n);
  expect(progress.silenceMs).toBe(60_000);
  await clock.advance(4_000);
  progress.heard(5n);
  await clock.advance(1_000);
  expect([progress.stalledMs, progress.silenceMs, progress.lag]).toEqual([5_000, 1_000, 3]);
});

it("counts anew with each step, and no more at the end", async () => {
  progress.at(0n);
  progress.heard(10n);
  await clock.advance(4_000);
  progress.at(4n);
  await clock.advance(1_000);
  expect(progress.stalledMs).toBe(1_000);
  progress.at(10n);
  await clock.advance(1_000);
  expect([progress.stalledMs, progress.lag]).toEqual([0, 0]);
});

it("takes a lower end only from whoever knows that the log has lost its end", async () => {
  progress.at(9n);
  progress.heard(9n);
  progress.forgetEnd();
  progress.heard(7n);
  progress.at(7n);
  await clock.advance(1_000);
  expect([progress.stalledMs, progress.lag]).toEqual([0, 0]);
});

it("knows nothing of another incarnation's end", async () => {
  progress.at(3n);
  progress.heard(9n);
  progress.forgetEnd();
  progress.at(undefined);
  await clock.advance(1_000);
  expect([progress.stalledMs, progress.lag]).toEqual([0, undefined]);
});

it("is behind since it was last at the end that it knew of, however fast it moves", async () => {
  progress.at(0n);
  progress.heard(0n);
  await clock.advance(1_000);
  expect(progress.lagMs).toBe(0);
  progress.heard(4n);
  for (let offset = 1n; offset < 4n; offset++) {
    progress.at(offset);
    await clock.advance(1_000);
  }
  expect([progress.lagMs, progress.stalledMs, progress.endOffset]).toEqual([3_000, 1_000, 4n]);
  progress.at(4n);
  expect(progress.lagMs).toBe(0);
  await clock.advance(1_000);
  progress.ends(5n);
  await clock.advance(500);
  expect(progress.lagMs).toBe(500);
  progress.forgetEnd();
  expect(progress.lagMs).toBe(0);
});
