import type { UserId } from "@millrace/schemas";
import { expect, it } from "vitest";
import type { RedisHealth } from "../redis/redis-health.ts";
import type { RedisClient } from "../redis/redis-link.ts";
import { Tickets } from "./tickets.ts";

const HOLDER = {
  identity: {
    user: "alice" as UserId,
    rights: { read: ["room:*"], write: [] },
    expiresAtMs: 1_764_038_400_123,
  },
  origin: "https://allowed.example",
};

it("A ticket of another version is counted, and is no ticket", async () => {
  let kept = "";
  let unreadable = 0;
  const client = {
    set: async (_key: string, text: string) => {
      kept = text;
      return "OK";
    },
    get: async () => kept,
  } as unknown as RedisClient;
  const redis: Pick<RedisHealth, "ask"> = { ask: (_key, command) => command(client) };
  const tickets = new Tickets(redis, 30_000, () => unreadable++);
  const ticket = String(await tickets.issue(HOLDER));
  const { v, ...ofTheFirst } = JSON.parse(kept) as { readonly v: number };
  expect(v).toBe(1);
  const valid = { kind: "valid", holder: HOLDER };
  expect(await tickets.look(ticket)).toEqual(valid);
  kept = JSON.stringify(ofTheFirst);
  expect(await tickets.look(ticket)).toEqual(valid);
  for (const strange of [JSON.stringify({ ...ofTheFirst, v: 2 }), "2;alice", "null", ""]) {
    kept = strange;
    expect(await tickets.look(ticket)).toEqual({ kind: "unknown" });
  }
  expect(unreadable).toBe(4);
});
