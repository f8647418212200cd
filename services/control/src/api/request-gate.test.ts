import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../limits.ts";
import { RequestGate } from "./request-gate.ts";

describe("the gate of control", () => {
  it("lets an operator ask for its share, and others not suffer of who asks for more", async () => {
    const clock = new FakeClock();
    const gate = new RequestGate(clock);
    for (let count = 0; count < LIMITS.requestBurst; count++) gate.charge("otto");
    expect(() => gate.charge("otto")).toThrow("wait a second");
    gate.charge("olga");
    await clock.advance(500);
    for (let count = 0; count < LIMITS.requestsPerSec / 2; count++) gate.charge("otto");
    expect(() => gate.charge("otto")).toThrow("wait a second");
    await clock.advance(60_000);
    for (let count = 0; count < LIMITS.requestBurst; count++) gate.charge("otto");
    expect(() => gate.charge("otto")).toThrow("wait a second");
  });

  it("forgives nobody because others ask, too, however many they are", () => {
    const gate = new RequestGate(new FakeClock());
    const names = Array.from(
      { length: LIMITS.operatorsCounted },
      (_, index) => `operator-${index}`,
    );
    for (let count = 1; count < LIMITS.requestBurst; count++) gate.charge("operator-0");
    for (const name of names) gate.charge(name);
    gate.charge("operator-1");
    expect(() => gate.charge("operator-0")).toThrow("wait a second");
  });

  it("lets so many requests be in progress, and takes another one once one is answered", () => {
    const gate = new RequestGate(new FakeClock());
    const leaves = Array.from({ length: LIMITS.requestsInFlight }, () => gate.enter());
    expect(() => gate.enter()).toThrow("in progress");
    leaves[0]?.();
    // A connection that closes after its answer counts once.
    leaves[0]?.();
    leaves.push(gate.enter());
    expect(() => gate.enter()).toThrow("in progress");
  });
});
