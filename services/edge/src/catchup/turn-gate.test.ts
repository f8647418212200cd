import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { TurnGate } from "./turn-gate.ts";

describe("TurnGate", () => {
  it("gives replays a few milliseconds of a turn, however many come in it, in the order of asking", async () => {
    const clock = new FakeClock();
    const gate = new TurnGate(clock, 8);
    const done: number[] = [];
    const perTurn: number[] = [];
    for (let piece = 0; piece < 50; piece++) {
      void gate.run(() => {
        done.push(piece);
        // Each takes a millisecond of the loop.
        clock.freeze(1);
      });
    }
    const look = (): void => {
      perTurn.push(done.length);
      if (done.length < 50) clock.endOfTurn(look);
    };
    clock.endOfTurn(look);
    await clock.settle();
    expect(done).toEqual(Array.from({ length: 50 }, (_, index) => index));
    for (const [turn, count] of perTurn.entries()) {
      expect(count - (perTurn[turn - 1] ?? 0)).toBeLessThanOrEqual(4);
    }
  });

  it("lets a long piece through, one in a turn", async () => {
    const clock = new FakeClock();
    const gate = new TurnGate(clock, 8);
    const order: string[] = [];
    for (const name of ["a", "b"]) {
      void gate.run(() => {
        order.push(name);
        clock.freeze(100);
      });
    }
    clock.endOfTurn(() => order.push("live"));
    await clock.settle();
    expect(order).toEqual(["a", "live", "b"]);
  });

  it("begins no more of them in a turn than it may", async () => {
    const clock = new FakeClock();
    const gate = new TurnGate(clock, 2);
    const order: string[] = [];
    for (const name of ["a", "b", "c"]) void gate.turn().then(() => order.push(name));
    clock.endOfTurn(() => clock.endOfTurn(() => order.push("live")));
    await clock.settle();
    expect(order).toEqual(["a", "b", "live", "c"]);
  });
});
