import { EventEmitter } from "node:events";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { StopWish } from "./stop-wish.ts";

function setUp() {
  const source = new EventEmitter();
  const clock = new FakeClock();
  const seconds: number[] = [];
  const wish = new StopWish({ clock, source, onSecond: (code) => seconds.push(code) });
  return { source, clock, seconds, wish };
}

describe("StopWish", () => {
  it("takes one key press that arrives three times for one wish", async () => {
    const { source, clock, seconds, wish } = setUp();
    source.emit("SIGINT");
    source.emit("SIGINT");
    await clock.advance(100);
    source.emit("SIGINT");
    await wish.requested;
    expect(seconds).toEqual([]);
  });

  it("ends at once on a second signal", async () => {
    const { source, clock, seconds } = setUp();
    source.emit("SIGTERM");
    await clock.advance(300);
    source.emit("SIGINT");
    expect(seconds).toEqual([130]);
  });

  it("ends in order when the launcher is gone", async () => {
    const { source, seconds, wish } = setUp();
    expect(wish.isRequested).toBe(false);
    source.emit("disconnect");
    await wish.requested;
    expect(wish.isRequested).toBe(true);
    expect(seconds).toEqual([]);
  });
});
