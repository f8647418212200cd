import { silentLogger, systemClock } from "@millrace/runtime";
import type { UserId } from "@millrace/schemas";
import { RedisCluster, RedisServer, waitFor } from "@millrace/testkit";
import { afterEach, expect, it } from "vitest";
import { RedisHealth } from "../redis/redis-health.ts";
import { connectRedis } from "../redis/redis-link.ts";
import { Tickets } from "./tickets.ts";

const LEAST = ["+info", "+ping", "+get", "+set", "+getdel", "+cluster|slots", "+cluster|info"];
const PASSWORD = "right";
const RULE = ["--user", "edge", "reset", "on", `>${PASSWORD}`, "~mr:*", "-@all", ...LEAST];

const HOLDER = {
  identity: {
    user: "alice" as UserId,
    rights: { read: ["room:*"], write: [] },
    expiresAtMs: 1_764_038_400_123,
  },
  origin: "https://allowed.example",
};

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function ticketsAt(urls: string): Promise<Tickets> {
  const link = connectRedis(urls, { logger: silentLogger });
  endings.push(() => link.disconnect());
  await waitFor(() => link.isReady, { what: "Redis" });
  return new Tickets(new RedisHealth(link, { clock: systemClock, logger: silentLogger }), 30_000);
}

function withLogin(urls: string): string {
  return urls.replaceAll("redis://", `redis://edge:${PASSWORD}@`);
}

it("Each ticket is taken once in a cluster, with no right but those that are needed", async () => {
  const cluster = await RedisCluster.start({ settings: RULE });
  endings.push(() => cluster.stop());
  const [one, two] = [
    await ticketsAt(withLogin(cluster.urls)),
    await ticketsAt(withLogin(cluster.urls)),
  ];
  for (let index = 0; index < 100; index++) {
    const ticket = String(await one.issue(HOLDER));
    expect(await two.look(ticket)).toEqual({ kind: "valid", holder: HOLDER });
    const taken = await Promise.all([one.take(ticket), two.take(ticket), one.take(ticket)]);
    expect(taken.filter(({ kind }) => kind === "valid")).toEqual([
      { kind: "valid", holder: HOLDER },
    ]);
    expect(taken.filter(({ kind }) => kind === "unknown")).toHaveLength(2);
  }
});

it("A Redis that is gone or hangs makes no ticket unknown", async () => {
  const redis = await RedisServer.start();
  endings.push(() => redis.stop());
  const tickets = await ticketsAt(redis.url);
  const ticket = String(await tickets.issue(HOLDER));
  redis.pause();
  // Nobody after the first waits for one that hangs.
  expect(await tickets.look(ticket)).toEqual({ kind: "unavailable" });
  const startMs = performance.now();
  for (let index = 0; index < 100; index++) {
    expect(await tickets.look(ticket)).toEqual({ kind: "unavailable" });
  }
  expect(performance.now() - startMs).toBeLessThan(500);
  expect(await tickets.issue(HOLDER)).toBeUndefined();
  redis.resume();
  await waitFor(async () => (await tickets.look(ticket)).kind === "valid", { what: "Redis again" });
  expect((await tickets.look("no ticket at all")).kind).toBe("unknown");
  await redis.kill();
  await waitFor(async () => (await tickets.take(ticket)).kind === "unavailable", {
    what: "the end of Redis",
  });
});
