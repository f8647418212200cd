import type { LogChunk } from "@millrace/log";
import type { EpochId } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { beforeEach, expect, it } from "vitest";
import { relayTraffic } from "../relay/relay-traffic.ts";
import { Traffic } from "./traffic.ts";

let clock: FakeClock;
let traffic: Traffic;

beforeEach(() => {
  clock = new FakeClock();
  traffic = new Traffic(clock, () => 12);
});

function chunk(partition: number, keys: readonly (Uint8Array | string | null)[]): LogChunk {
  const records = keys.map((key, index) => ({
    offset: BigInt(index),
    timestampMs: 0,
    key: typeof key === "string" ? Buffer.from(key) : key,
    value: null,
    headers: [],
  }));
  const next = BigInt(keys.length);
  const place = { epoch: "mem-0000" as EpochId, partition, from: 0n, next };
  return { ...place, records, bytes: 0, endOffset: next };
}

function times(count: number, key: string): string[] {
  return Array.from({ length: count }, () => key);
}

it("The hottest conversations of a partition are told first, and none of another's", () => {
  traffic.passed(chunk(3, [...times(5, "room:a"), ...times(50, "room:b"), ...times(20, "room:c")]));
  traffic.passed(chunk(4, times(100, "room:elsewhere")));
  const names = traffic.hottest(3, 2).map(({ conversation }) => conversation);
  expect(names).toEqual(["room:b", "room:c"]);
  expect([traffic.records(3), traffic.records(4), traffic.records(5)]).toEqual([75, 100, 0]);
  expect(traffic.hottest(5, 2)).toEqual([]);
});

it("Who was hot is forgotten within ten seconds, and a steady rate is told as it is", async () => {
  traffic.passed(chunk(0, times(1_000, "room:former")));
  for (let second = 0; second < 20; second++) {
    traffic.passed(chunk(0, times(30, "room:now")));
    await clock.advance(1_000);
  }
  expect(traffic.hottest(0, 5)).toEqual([{ conversation: "room:now", recordsPerSec: 30 }]);
  await clock.advance(4_000);
  expect(traffic.hottest(0, 5)).toHaveLength(1);
  await clock.advance(6_000);
  expect(traffic.hottest(0, 5)).toEqual([]);
  // Also where a partition was silent for long, and nobody asked.
  traffic.passed(chunk(0, times(30, "room:then")));
  await clock.advance(60_000);
  traffic.passed(chunk(0, times(30, "room:later")));
  expect(traffic.hottest(0, 5).map(({ conversation }) => conversation)).toEqual(["room:later"]);
});

it("Keys that are no conversation's are counted as records and told to nobody", () => {
  const keys = [null, "", "dm:nobody", "room:\u0000", Buffer.from([0xff, 0xfe]), "room:a"];
  traffic.passed(chunk(0, keys));
  expect(traffic.records(0)).toBe(keys.length);
  expect(traffic.hottest(0, 9).map(({ conversation }) => conversation)).toEqual(["room:a"]);
});

it("A conversation with more than a 65th of the records is found among thousands", () => {
  for (let round = 0; round < 100; round++) {
    const others = Array.from({ length: 90 }, (_, index) => `room:${round}-${index}`);
    traffic.passed(chunk(0, [...others, ...times(10, "room:hot")]));
  }
  expect(traffic.hottest(0, 1)[0]?.conversation).toBe("room:hot");
});

it("Where records are relayed each counts once, for the owner also those that nobody follows", () => {
  const owned = new Set<number>();
  const hubs = { take: () => undefined, break: () => undefined, hasIn: () => true };
  const relay = relayTraffic({ traffic, hubs }, { owned });
  const read = chunk(0, ["room:followed", "room:ignored"]);
  const handOn = (): void => {
    relay.follower.passed(read);
    relay.hubs.take(chunk(0, ["room:followed"]));
  };
  handOn();
  expect(traffic.records(0)).toBe(1);
  owned.add(0);
  handOn();
  expect(traffic.records(0)).toBe(3);
});
