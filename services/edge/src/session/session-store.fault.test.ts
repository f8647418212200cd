import { silentLogger, systemClock } from "@millrace/runtime";
import type { UserId } from "@millrace/schemas";
import { RedisCluster, RedisServer, waitFor } from "@millrace/testkit";
import { afterEach, expect, it } from "vitest";
import { RedisHealth } from "../redis/redis-health.ts";
import { connectRedis } from "../redis/redis-link.ts";
import { type HeldSession, SessionStore } from "./session-store.ts";

const SESSIONS = 150;
const ASKED = [0, 1, 19, 63, 64, 65, 149];

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function storeAt(urls: string): Promise<{ store: SessionStore; scripts: () => number }> {
  const link = connectRedis(urls, { logger: silentLogger });
  endings.push(() => link.disconnect());
  await waitFor(() => link.isReady, { what: "Redis" });
  const health = new RedisHealth(link, { clock: systemClock, logger: silentLogger });
  let scripts = 0;
  const ask = health.ask.bind(health);
  health.ask = (key, command) => {
    scripts += 1;
    return ask(key, command);
  };
  return { store: new SessionStore(link, health), scripts: () => scripts };
}

/** Each with as many subscriptions as its number says, so that none has the neighbour's place. */
function session(index: number, conn = `c_${index}`): HeldSession {
  const names = Array.from({ length: index % 20 }, (_, of) => `room:${index}-${of}`);
  return {
    user: `user-${index}` as UserId,
    device: undefined,
    sessionId: `s_${index}`,
    attempt: index,
    conn,
    edge: "edge~1",
    sinceMs: 1_000,
    lastActiveMs: Date.now(),
    isConnected: true,
    isUsed: true,
    changes: new Map(names.map((name) => [name, `after ${name}`])),
    isWhole: false,
  };
}

async function writeTogether(store: SessionStore): Promise<void> {
  const all = Array.from({ length: SESSIONS }, (_, index) => session(index));
  expect(new Set(await store.touch(all))).toEqual(new Set(["new"]));
  // One is another's by now, one has been ended, the others go on.
  await store.touch([{ ...session(7, "c_other"), attempt: 8 }]);
  await store.end("user-9" as UserId, "s_9");
  const outcomes = await store.touch(all);
  expect([outcomes[7], outcomes[9]]).toEqual(["replaced", "ended"]);
  expect(outcomes.filter((outcome) => outcome === "mine")).toHaveLength(SESSIONS - 2);
  for (const index of ASKED) {
    const outcome = await store.accept({
      user: `user-${index}` as UserId,
      device: undefined,
      sessionId: `s_${index}`,
      newSessionId: "s_none",
      attempt: index + 1,
      conn: "c_new",
      edge: "edge~2",
      nowMs: Date.now(),
      keepsSubscriptions: true,
    });
    const { changes, conn, edge } = session(index);
    const former = { conn, edge };
    expect(outcome).toEqual({ kind: "resumed", former, subscriptions: changes });
  }
}

it("Sessions that are written together keep what is theirs, by a few scripts", async () => {
  const redis = await RedisServer.start();
  endings.push(() => redis.stop());
  const { store, scripts } = await storeAt(redis.url);
  await writeTogether(store);
  // Three for each time that all were written, and one for each other question.
  expect(scripts()).toBe(3 + 1 + 1 + 3 + ASKED.length);
});

it("Sessions that are written together may be on different nodes of a cluster", async () => {
  const cluster = await RedisCluster.start();
  endings.push(() => cluster.stop());
  const { store } = await storeAt(cluster.urls);
  await writeTogether(store);
});
