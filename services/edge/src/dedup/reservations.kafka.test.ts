import { randomUUID } from "node:crypto";
import { silentLogger, systemClock } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import { FakeClock, waitFor } from "@millrace/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { told } from "../hub/told.ts";
import { RedisHealth } from "../redis/redis-health.ts";
import { type RedisLink, connectRedis } from "../redis/redis-link.ts";
import { Reservations } from "./reservations.ts";

const PARTITION = 3;
const POS = "AAAAAAAA.3.8";
const HOLD_MS = 50;

let redis: RedisLink;
let clock: FakeClock;
let epoch: EpochId;
let one: Reservations;
let other: Reservations;

beforeAll(async () => {
  redis = connectRedis(inject("redisUrl"), { logger: silentLogger });
  await waitFor(() => redis.isReady, { what: "Redis is there" });
});

afterAll(() => redis.disconnect());

beforeEach(async () => {
  epoch = randomUUID().slice(0, 8) as EpochId;
  clock = new FakeClock();
  const health = new RedisHealth(redis, { clock: systemClock, logger: silentLogger });
  const options = { health, redis, clock, dedupMs: 60_000, leaseMs: 10_000 };
  one = new Reservations(options);
  other = new Reservations(options);
  // The first use of a script takes two round trips, between which another command may slip.
  await one.exchange({ epoch, partition: PARTITION, name: "none" }, "", { to: "nothing" });
});

describe("reservations", () => {
  it("are each one's who came first, and held for everybody else", async () => {
    expect(await outcomes(one, "a", "b")).toEqual(["mine", "mine"]);
    expect(await outcomes(other, "b", "c", "a")).toEqual(["held", "mine", "held"]);
  });

  it("become final with the next reservation of their partition, each as its own", async () => {
    await outcomes(one, "a", "b", "c");
    for (const name of ["a", "c"]) finish(one, name);
    expect(await outcomes(one, "d", "a", "b", "c", "e")).toEqual([
      "mine",
      `final ${POS}`,
      "mine",
      `final ${POS}`,
      "mine",
    ]);
    expect(await outcomes(other, "c", "d", "a")).toEqual([`final ${POS}`, "held", `final ${POS}`]);
  });

  it("become final by themselves when no other reservation comes", async () => {
    await outcomes(one, "a");
    finish(one, "a");
    expect(await outcomes(other, "a")).toEqual(["held"]);
    await clock.advance(HOLD_MS);
    expect(await outcomes(other, "a")).toEqual([`final ${POS}`]);
  });

  it("become final at once when the edge ends, also where Redis has forgotten them", async () => {
    finish(one, "forgotten");
    one.flush();
    expect(await outcomes(other, "forgotten")).toEqual([`final ${POS}`]);
  });

  it("are not made final by who does not hold them", async () => {
    await outcomes(one, "a");
    finish(other, "a");
    await outcomes(other, "b");
    expect(await outcomes(one, "a")).toEqual(["mine"]);
  });
});

/** A wish's token names who wishes it, so that a repetition is the same wish. */
async function outcomes(who: Reservations, ...names: readonly string[]): Promise<string[]> {
  const wishes = names.map((name) => ({ name, token: tokenOf(who, name) }));
  const reserved = await who.reserve(told(epoch, PARTITION, 7n), wishes);
  return (reserved?.outcomes ?? []).map((outcome) =>
    outcome.kind === "final" ? `final ${outcome.pos}` : outcome.kind,
  );
}

function finish(who: Reservations, name: string): void {
  const key = { epoch, partition: PARTITION, name };
  who.finish(key, tokenOf(who, name), { pos: POS, ts: 1_700_000_000_000 });
}

function tokenOf(who: Reservations, name: string): string {
  return `${who === one ? "one" : "other"}.${name}`;
}
