import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { CredentialFolder, type Logger, must, systemClock } from "@millrace/runtime";
import { type ConversationId, type EpochId, parsePosition } from "@millrace/schemas";
import {
  CertificateAuthority,
  RedisCluster,
  RedisServer,
  TlsTerminator,
  redisCommand,
  waitFor,
} from "@millrace/testkit";
import { afterEach, expect, it } from "vitest";
import { type CursorWrite, RedisCursorStore } from "../session/cursor-store.ts";
import { CURSOR_BUCKETS } from "../session/cursor-place.ts";
import { REDIS_LEAST } from "../testing/redis-least.ts";
import { RedisHealth } from "./redis-health.ts";
import { type RedisLink, connectRedis } from "./redis-link.ts";

const LEAST_IN_CLUSTER = [...REDIS_LEAST, "+cluster|slots"];

const PASSWORD = "open-sesame";
const WRONG_PASSWORD = "open-barley";
const USERS = 1_500;

/** Ten times the bound of a command that a hanging node does not answer. */
const BOUND_MS = 10_000;

const authority = new CertificateAuthority("millrace test authority");
const stranger = new CertificateAuthority("another authority");

interface Told {
  readonly event: string;
  readonly fields: object;
}

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

/** A user with the least rights; the test itself comes as the default user. */
function rule(password: string, least: readonly string[] = REDIS_LEAST): string[] {
  return ["reset", "on", `>${password}`, "~mr:*", "&mr:*", "-@all", ...least];
}

async function startRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start(["--user", "edge", ...rule(PASSWORD)]);
  endings.push(() => redis.stop());
  return redis;
}

async function startTls(redis: RedisServer, isMutual = false): Promise<string> {
  const tls = await TlsTerminator.start({ targetPort: redis.port, authority, isMutual });
  endings.push(() => tls.close());
  return `rediss://127.0.0.1:${tls.port}`;
}

interface Stand {
  readonly link: RedisLink;
  readonly health: RedisHealth;
  readonly store: RedisCursorStore;
  readonly told: Told[];
  /** The folder's files. */
  readonly put: (files: Readonly<Record<string, string>>) => void;
}

function standAt(url: string, files?: Readonly<Record<string, string>>): Stand {
  const path = mkdtempSync(join(tmpdir(), "millrace-secured-"));
  const put: Stand["put"] = (texts) => {
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(path, name), text);
  };
  const told: Told[] = [];
  const take = (fields: object, event: string): number => told.push({ event, fields });
  const logger: Logger = { debug: take, info: take, warn: take, error: take };
  put(files ?? {});
  const credentials = files && new CredentialFolder({ path, clock: systemClock });
  const link = connectRedis(url, { logger, ...(credentials && { credentials }) });
  const health = new RedisHealth(link, { clock: systemClock, logger });
  const store = new RedisCursorStore(link, health, () => "AAAAAAAA" as EpochId);
  endings.push(() => {
    link.disconnect();
    credentials?.close();
    rmSync(path, { recursive: true });
  });
  return { link, health, store, told, put };
}

async function whenReady({ link, store }: Stand): Promise<void> {
  await waitFor(() => link.isReady, { what: "Redis" });
  // Nothing was acknowledged before: it has all there is.
  const rebuilds = must(await store.beginRebuild("test"), "Redis answers");
  expect(await store.endRebuild("test", rebuilds)).toBe(true);
}

function writesOf(users: number, offset = 7): CursorWrite[] {
  const position = must(parsePosition(`AAAAAAAA.0.${offset}`), "a position");
  return Array.from({ length: users }, (_, index) => ({
    key: {
      user: `user-${index}`,
      holder: { kind: "device", name: "phone" },
      conversation: "room:many" as ConversationId,
    },
    position,
  }));
}

/** What was written is there for each. */
async function proveStored({ store }: Stand, writes: readonly CursorWrite[]): Promise<void> {
  const stored = await store.write(writes);
  expect(stored.filter(Boolean)).toHaveLength(writes.length);
  const found = await Promise.all(writes.map(({ key }) => store.read(key)));
  const text = `AAAAAAAA.0.${writes[0]?.position.offset}`;
  expect(new Set(found.map((outcome) => inspect(outcome)))).toEqual(
    new Set([inspect({ kind: "position", text })]),
  );
}

it("Cursors are kept by a user with the least rights, by name and password", async () => {
  const redis = await startRedis();
  const stand = standAt(redis.url, { username: "edge", password: PASSWORD });
  await whenReady(stand);
  await proveStored(stand, writesOf(3));
  expect(stand.told).toEqual([]);
  const commands = ["get", "hget", "hset", "pexpire", "eval", "evalsha"];
  for (const [index, command] of commands.entries()) {
    await redisCommand(redis.port, "SCRIPT", "FLUSH");
    await redisCommand(redis.port, "ACL", "SETUSER", "edge", `-${command}`);
    // Without any one of the rights it is not done, and the log says which one it is.
    const [write] = writesOf(1, 8 + index);
    const stored = await stand.store.write([must(write, "a write")]);
    const found = await stand.store.read(must(write, "a write").key);
    expect(stored[0] === true && found.kind === "position").toBe(false);
    expect(inspect(stand.told.splice(0))).toContain(`'${command}'`);
    await redisCommand(redis.port, "ACL", "SETUSER", "edge", `+${command}`);
  }
  await expect(redisCommand(redis.port, "AUTH", "edge", WRONG_PASSWORD)).rejects.toThrow(
    "WRONGPASS",
  );
});

it("Cursors are kept over TLS with a private authority, and with a certificate of its own", async () => {
  const redis = await startRedis();
  const login = { "ca.crt": authority.certificate, username: "edge", password: PASSWORD };
  const stand = standAt(await startTls(redis), login);
  await whenReady(stand);
  await proveStored(stand, writesOf(3));
  const { chain, key } = authority.issue("edge");
  const mutual = await startTls(redis, true);
  const shown = standAt(mutual, { ...login, "tls.crt": chain, "tls.key": key });
  await whenReady(shown);
  await proveStored(shown, writesOf(3, 8));
  const hidden = standAt(mutual, login);
  await waitFor(() => hidden.told.length > 0, { what: "a warning" });
  expect(hidden.link.client.status).not.toBe("ready");
});

it("A server of another authority, and a folder that asks for TLS where there is none, are refused", async () => {
  const redis = await startRedis();
  const login = { "ca.crt": stranger.certificate, username: "edge", password: PASSWORD };
  const stand = standAt(await startTls(redis), login);
  await waitFor(() => stand.told.length > 0, { what: "a warning" });
  expect(inspect(stand.told)).toMatch(/certificate/);
  const open = standAt(redis.url, login);
  expect(inspect(open.told)).toMatch(/certificates are given for Redis.*redis:/);
  expect(await open.store.read(must(writesOf(1)[0], "a write").key)).toEqual({ kind: "unknown" });
});

it("A wrong password is told without it, tried again, and a right one is taken", async () => {
  const redis = await startRedis();
  const stand = standAt(redis.url, { username: "edge", password: WRONG_PASSWORD });
  await waitFor(() => stand.told.length > 0, { what: "a warning" });
  expect(inspect(stand.told)).toMatch(/redis is away/);
  expect(inspect(stand.told)).toMatch(/WRONGPASS/);
  expect(await stand.store.write(writesOf(2))).toEqual([false, false]);
  stand.put({ password: PASSWORD });
  await whenReady(stand);
  await proveStored(stand, writesOf(2));
  expect(inspect(stand.told)).not.toMatch(/open-(barley|sesame)/);
});

it("A password that changes costs no write", async () => {
  const redis = await startRedis();
  const stand = standAt(redis.url, { username: "edge", password: PASSWORD });
  await whenReady(stand);
  const before = stand.link.client;
  const end = new AbortController();
  const failed = writeUntil(stand, end.signal);
  // Both are good for a while, as with every change that shall cost nothing.
  await redisCommand(redis.port, "ACL", "SETUSER", "edge", ">second");
  stand.put({ password: "mistyped" });
  await waitFor(() => stand.told.length > 0, { what: "a warning" });
  expect(stand.link.client).toBe(before);
  stand.put({ password: "second" });
  await waitFor(() => stand.link.client !== before, { what: "a new connection" });
  await waitFor(() => before.status === "end", { what: "the end of the old one" });
  await redisCommand(redis.port, "ACL", "SETUSER", "edge", `<${PASSWORD}`);
  await proveStored(stand, writesOf(20, 99_999_999));
  end.abort();
  expect(await failed).toBe(0);
  expect(inspect(stand.told)).not.toMatch(/second|mistyped/);
});

it("A Redis that may evict is told, and proves nothing", async () => {
  const keeping = standAt((await startRedis()).url, { username: "edge", password: PASSWORD });
  await whenReady(keeping);
  const redis = await RedisServer.start(["--maxmemory-policy", "allkeys-lru"]);
  endings.push(() => redis.stop());
  const evicting = standAt(redis.url);
  await waitFor(() => inspect(evicting.told).includes("allkeys-lru"), { what: "a warning" });
  expect(evicting.health.isEvicting).toBe(true);
  expect(keeping.health.isEvicting).toBe(false);
  expect(keeping.told).toEqual([]);
});

it("Cursors of many users are kept in a cluster, and a node that hangs keeps nobody waiting", async () => {
  const cluster = await RedisCluster.start({
    settings: ["--user", "edge", ...rule(PASSWORD, LEAST_IN_CLUSTER)],
  });
  endings.push(() => cluster.stop());
  const stand = standAt(cluster.urls, { username: "edge", password: PASSWORD });
  await whenReady(stand);
  const writes = writesOf(USERS);
  await proveStored(stand, writes);
  const keys = await cluster.onAll("DBSIZE");
  const counts = keys.map((answer) => Number(answer.slice(1)));
  expect(counts.every((count) => count > 0)).toBe(true);
  // The rest are the markers.
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(USERS + CURSOR_BUCKETS);
  await cluster.onAll("ACL", "SETUSER", "edge", "-cluster|slots");
  const blind = standAt(cluster.urls, { username: "edge", password: PASSWORD });
  await waitFor(() => inspect(blind.told).includes("'cluster|slots'"), { what: "what it lacks" });
  await cluster.onAll("ACL", "SETUSER", "edge", "+cluster|slots");
  const one = standAt(`${must(cluster.nodes[0], "a node").url}?cluster=true`, {
    username: "edge",
    password: PASSWORD,
  });
  await whenReady(one);
  await proveStored(one, writesOf(100, 8));
  const [, , last] = cluster.nodes;
  last?.pause();
  const startMs = performance.now();
  const stored = await stand.store.write(writesOf(USERS, 9));
  expect(performance.now() - startMs).toBeLessThan(BOUND_MS);
  // Of the others' keys some are markers.
  const others = (counts[0] ?? 0) + (counts[1] ?? 0);
  const kept = stored.filter(Boolean).length;
  expect(kept).toBeGreaterThanOrEqual(others - CURSOR_BUCKETS);
  expect(kept).toBeLessThanOrEqual(others);
  last?.resume();
  await waitFor(async () => (await stand.store.write(writesOf(USERS, 10))).every(Boolean), {
    what: "everything is kept again",
  });
  await proveStored(stand, writesOf(USERS, 11));
});

/** How many writes failed until then. */
async function writeUntil({ store }: Stand, signal: AbortSignal): Promise<number> {
  let failed = 0;
  for (let offset = 1; !signal.aborted; offset++) {
    const stored = await store.write(writesOf(20, offset));
    failed += stored.filter((isStored) => !isStored).length;
  }
  return failed;
}
