import { EventEmitter } from "node:events";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { Lifecycle } from "./lifecycle.ts";
import { silentLogger } from "./logger.ts";

function setUp() {
  const emitter = new EventEmitter();
  const exits: number[] = [];
  const host = {
    on: (event: string, listener: (...args: never[]) => void) =>
      emitter.on(event, listener as (...args: unknown[]) => void),
    exit: (code: number) => void exits.push(code),
  };
  const clock = new FakeClock();
  const lifecycle = new Lifecycle({ logger: silentLogger, clock, drainMs: 1_000, host });
  return { emitter, exits, clock, lifecycle };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("Lifecycle", () => {
  it("drains on the first signal and then ends with 0", async () => {
    const { emitter, exits, lifecycle } = setUp();
    const { promise, resolve } = withResolver();
    lifecycle.started(() => promise);
    emitter.emit("SIGTERM");
    await settled();
    expect(exits).toEqual([]);
    resolve();
    await settled();
    expect(exits).toEqual([0]);
  });

  it("ends with 0 at the deadline when the drain hangs", async () => {
    const { emitter, exits, clock, lifecycle } = setUp();
    lifecycle.started(() => withResolver().promise);
    emitter.emit("SIGINT");
    await clock.advance(999);
    expect(exits).toEqual([]);
    await clock.advance(1);
    expect(exits).toEqual([0]);
  });

  it("ends at once on the second signal", () => {
    const { emitter, exits, lifecycle } = setUp();
    lifecycle.started(() => withResolver().promise);
    emitter.emit("SIGTERM");
    emitter.emit("SIGTERM");
    expect(exits).toEqual([0]);
  });

  it("drains for whoever asks as for a signal, and once only", async () => {
    const { emitter, exits, lifecycle } = setUp();
    const { promise, resolve } = withResolver();
    let drains = 0;
    lifecycle.started(() => {
      drains += 1;
      return promise;
    });
    lifecycle.stop("an operator");
    lifecycle.stop("an operator");
    await settled();
    expect([drains, exits]).toEqual([1, []]);
    resolve();
    await settled();
    expect(exits).toEqual([0]);
    emitter.emit("SIGTERM");
    expect(drains).toBe(1);
  });

  it("ends with 0 when the signal comes before the service runs, and when its drain fails", async () => {
    const early = setUp();
    early.emitter.emit("SIGTERM");
    await settled();
    expect(early.exits).toEqual([0]);
    const failing = setUp();
    failing.lifecycle.started(() => Promise.reject(new Error("no")));
    failing.emitter.emit("SIGTERM");
    await settled();
    expect(failing.exits).toEqual([0]);
  });

  it("ends with 1 on an error that nobody caught", () => {
    const { emitter, exits } = setUp();
    emitter.emit("uncaughtException", new Error("defect"));
    expect(exits).toEqual([1]);
  });
});

function withResolver() {
  const settle: { resolve?: () => void } = {};
  const promise = new Promise<void>((resolve) => {
    settle.resolve = resolve;
  });
  return { promise, resolve: () => settle.resolve?.() };
}
