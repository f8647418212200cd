import { beforeEach, describe, expect, it } from "vitest";
import { DistributionWish } from "./distribution-wish.ts";

let weight: number;
let pins: Map<number, string>;
let wish: DistributionWish;

beforeEach(() => {
  weight = 1;
  pins = new Map();
  const self = () => ({ edge: "edge-1", address: "", weight, isDraining: false });
  wish = new DistributionWish(self, () => pins);
});

describe("a member of the group", () => {
  it("has nothing to say again before it has said anything", () => {
    weight = 2;
    pins.set(1, "edge-1");
    expect(wish.isDue).toBe(false);
  });

  it("joins again once for another weight, however often it is told, and not for the same one", () => {
    wish.say();
    weight = 2;
    expect(wish.isDue).toBe(true);
    weight = 1;
    expect(wish.isDue).toBe(false);
    weight = 3;
    expect(wish.say().weight).toBe(3);
    expect(wish.isDue).toBe(false);
  });

  it("joins again for other pins only where it led with those of before", () => {
    wish.say();
    pins.set(1, "edge-1");
    expect(wish.isDue).toBe(false);
    wish.say();
    wish.led(new Map(pins));
    expect(wish.isDue).toBe(false);
    pins.set(1, "edge-2");
    expect(wish.isDue).toBe(true);
    // While it joins again another one may become the leader.
    wish.say();
    expect(wish.isDue).toBe(false);
  });

  it("does not take pins in another order for others", () => {
    const [one, other] = [[1, "b"] as const, [2, "a"] as const];
    wish.say();
    wish.led(new Map([other, one]));
    pins = new Map([one, other]);
    expect(wish.isDue).toBe(false);
  });

  it("joins again when it is asked to, whatever it says", () => {
    wish.say();
    wish.ask();
    expect(wish.isDue).toBe(true);
    wish.say();
    expect(wish.isDue).toBe(false);
  });
});
