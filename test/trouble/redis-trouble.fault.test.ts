import { setTimeout as sleep } from "node:timers/promises";
import { must } from "@millrace/runtime";
import { RedisServer, TcpProxy, redisCommand, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { LIMITS } from "../../services/edge/src/limits.ts";
import {
  EdgeStage,
  type LocalEdge,
  publish,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import type { DownJson, RawClient } from "../../services/edge/src/testing/raw-client.ts";

import { SteadyLoad } from "./steady-load.ts";

const HANG_MS = process.env["MILLRACE_FULL"] === "1" ? 60_000 : 4_000;
const PATIENCE_MS = 60_000;
const DEVICE = "phone";
const HOME = "room:home";

/** A session that Redis has lost is put back soon enough for a test to wait for it. */
const LIMITS_QUICK = { ...LIMITS, sessionTouchMs: 300, sessionSaveMs: 50 };

let redis: RedisServer;
let spare: RedisServer;
let proxy: TcpProxy;
let stage: EdgeStage;
let edges: LocalEdge[];
let load: SteadyLoad | undefined;

beforeEach(async () => {
  redis = await RedisServer.start();
  spare = await RedisServer.start();
  // The address that edges know, as of a service in front of whoever is the master.
  proxy = await TcpProxy.start({ targetPort: redis.port });
  const redisUrl = `redis://127.0.0.1:${proxy.port}`;
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl });
  edges = [
    await stage.start("edge-1", { limits: LIMITS_QUICK }),
    await stage.start("edge-2", { limits: LIMITS_QUICK }),
  ];
});

afterEach(async () => {
  await load?.stop();
  load = undefined;
  await stage.close();
  await proxy.close();
  await redis.stop();
  await spare.stop();
});

async function startLoad(): Promise<SteadyLoad> {
  load = await SteadyLoad.start({
    edges: edges.map(({ ws }) => ws),
    brokers: inject("kafkaBrokers"),
    topic: stage.topic,
    tokenFor: (sub) => stage.issuer.token({ sub }),
    conversations: ["room:1", "room:2", "room:3", "room:4"],
    senders: 4,
    receivers: 2,
    perSecond: 100,
  });
  return load;
}

function edgeAt(index: number): LocalEdge {
  return must(edges[index % edges.length], "an edge");
}

async function gaugeOf(index: number, name: string): Promise<number> {
  const page = await edgeAt(index).edge.metrics.registry.metrics();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(page)?.[1]);
}

async function whenRedisIsUp(): Promise<void> {
  await waitFor(isRedisUp, { what: "Redis is in use again", timeoutMs: PATIENCE_MS });
}

async function isRedisUp(): Promise<boolean> {
  const answers = [0, 1].map((index) => gaugeOf(index, "millrace_redis_up"));
  return (await Promise.all(answers)).every((isUp) => isUp === 1);
}

/** As a client does that was told `unavailable`. */
function ackedOf(client: RawClient, c: string): Promise<DownJson> {
  const isKnown = async (): Promise<DownJson | undefined> => {
    const answer = await subscribe(client, c, "acked");
    return answer.code === "unavailable" ? undefined : answer;
  };
  return waitFor(isKnown, { what: "the acknowledged position", timeoutMs: PATIENCE_MS });
}

async function follow(master: RedisServer, replica: RedisServer): Promise<void> {
  await redisCommand(replica.port, "REPLICAOF", "127.0.0.1", String(master.port));
  const isInSync = async (): Promise<boolean> =>
    (await redisCommand(replica.port, "INFO", "replication")).includes("master_link_status:up");
  await waitFor(isInSync, { what: "the replica has everything" });
}

/** Somebody whose session and cursor are views that Redis holds, and who looks at them again. */
class Viewer {
  #client: RawClient;
  readonly #acked: string;
  #attempt = 0;

  private constructor(client: RawClient, acked: string) {
    this.#client = client;
    this.#acked = acked;
  }

  static async enter(): Promise<Viewer> {
    const client = await stage.connectWith(edgeAt(0), "alice", { device: DEVICE });
    await subscribe(client, HOME, "earliest");
    await subscribe(client, "room:other", "live");
    await publish(client, HOME, ["m1", "m2", "m3"]);
    await whenHas(client, HOME, ["m1", "m2", "m3"]);
    const acked = must(client.messages(HOME)[1]?.pos, "a position");
    expect((await client.request({ t: "ack", c: HOME, pos: acked })).t).toBe("ackd");
    return new Viewer(client, acked);
  }

  /** By another edge each time; who has it stays there until then. */
  async expectWhole(): Promise<void> {
    const before = this.#client;
    expect(before.closeCode).toBeUndefined();
    const session = must(before.frames[0]?.session, "a session");
    const patience = { what: "the session, whole", timeoutMs: PATIENCE_MS };
    await waitFor(() => this.#isSaved(session), patience);
    // The other edge may be on its way to Redis still.
    this.#client = await waitFor(() => this.#resume(session), patience);
    // Both are remembered; what is not known yet of a cursor is said, and never guessed.
    for (const name of [HOME, "room:other"]) {
      const isTold = ({ t, c, restored, code }: DownJson): boolean =>
        c === name && (restored === true || (t === "err" && code === "unavailable"));
      await this.#client.next(isTold, `${name} is restored`);
    }
    await waitFor(() => before.closeCode === 4409, { what: "the end of the former connection" });
    const answer = await ackedOf(this.#client, HOME);
    expect(answer).toMatchObject({ t: "subd", pos: this.#acked });
  }

  async #resume(session: string): Promise<RawClient | undefined> {
    const attempt = ++this.#attempt;
    const query = { session, device: DEVICE, restore: "1", attempt: String(attempt) };
    const client = await stage.connectWith(edgeAt(attempt), "alice", query);
    if (client.frames[0]?.resumed === true) return client;
    client.terminate();
    return undefined;
  }

  async #isSaved(session: string): Promise<boolean> {
    const key = `mr:session:{alice}:${session}`;
    const found = await redisCommand(proxy.port, "HLEN", `${key}:subs`).catch(() => "");
    return found === ":2\r\n";
  }
}

/** What happens to Redis, and how it ends. What is between is the trouble. */
interface Trouble {
  readonly name: string;
  readonly begin: (viewer: Viewer) => Promise<void>;
  readonly end: () => Promise<void>;
}

const OUTPUT_LIMIT = "client-output-buffer-limit";

const TROUBLES: readonly Trouble[] = [
  {
    name: "killed",
    begin: () => redis.kill(),
    end: () => redis.restart(),
  },
  {
    name: "hanging",
    begin: () => Promise.resolve(redis.pause()),
    end: () => Promise.resolve(redis.resume()),
  },
  {
    name: "gone without a word",
    // Nothing comes back on the connections there are, as from a host that lost its power.
    begin: () => Promise.resolve(proxy.inspect(() => "swallow")),
    end: async () => {
      const { accepted } = proxy;
      const seen = accepted;
      proxy.inspect((_, __, connection) => (connection < seen ? "swallow" : "pass"));
      await whenRedisIsUp();
      proxy.inspect(undefined);
    },
  },
  {
    name: "flushed",
    begin: async () => void (await redisCommand(redis.port, "FLUSHALL")),
    end: () => Promise.resolve(),
  },
  {
    name: "full",
    begin: async () => void (await redisCommand(redis.port, "CONFIG", "SET", "maxmemory", "1")),
    end: async () => void (await redisCommand(redis.port, "CONFIG", "SET", "maxmemory", "0")),
  },
  {
    name: "cut off for its full output buffer",
    begin: async () => {
      await redisCommand(redis.port, "CONFIG", "SET", OUTPUT_LIMIT, "pubsub 4096 0 0");
      const found = await redisCommand(redis.port, "EVAL", CHANNELS, "0");
      const channels = found.split("\r\n").filter((line) => line.startsWith("mr:edge:"));
      expect(channels.length).toBeGreaterThan(0);
      for (const channel of channels[0]?.split(" ") ?? []) {
        await redisCommand(redis.port, "PUBLISH", channel, "x".repeat(1_000_000));
      }
    },
    end: async () => {
      await redisCommand(redis.port, "CONFIG", "SET", OUTPUT_LIMIT, "pubsub 33554432 8388608 60");
      const hasBoth = async (): Promise<boolean> =>
        (await redisCommand(redis.port, "EVAL", CHANNELS, "0")).split(" ").length === 2;
      await waitFor(hasBoth, { what: "both edges listen again" });
    },
  },
  {
    name: "failed over, and its last writes lost",
    begin: async (viewer) => {
      await follow(redis, spare);
      await redisCommand(spare.port, "REPLICAOF", "NO", "ONE");
      // What the master takes now never reaches who followed it: also who has the session.
      await viewer.expectWhole();
      await load?.whenPublished(20);
      await redis.kill();
    },
    end: () => {
      proxy.aimAt(spare.port);
      return Promise.resolve();
    },
  },
  {
    name: "followed by a replica that is promoted late",
    begin: async () => {
      await redis.restart();
      await redisCommand(redis.port, "FLUSHALL");
      // The one in use is deposed, and stays there to be read: nobody is disconnected.
      await follow(redis, spare);
    },
    end: async () => {
      // Those that come anew are led to the master.
      proxy.aimAt(redis.port);
      await load?.whenPublished(20);
    },
  },
];

const CHANNELS = "return table.concat(redis.call('PUBSUB', 'CHANNELS', 'mr:edge:*'), ' ')";

it("Whatever becomes of Redis, messages flow, and its views are whole again by themselves", async () => {
  const steady = await startLoad();
  const viewer = await Viewer.enter();
  await viewer.expectWhole();
  for (const { name, begin, end } of TROUBLES) {
    const startMs = performance.now();
    await begin(viewer);
    await steady.whenPublished(100);
    await steady.whenReceived(100);
    steady.dropReceivers();
    await steady.whenPublished(50);
    const figures = steady.figuresSince(startMs);
    await end();
    await whenRedisIsUp();
    await viewer.expectWhole();
    process.stdout.write(`redis ${name}: ${JSON.stringify(figures)}\n`);
  }
  const { offences, repeatedKeys } = await steady.judge();
  expect(offences).toEqual([]);
  expect(repeatedKeys).toBe(0);
}, 300_000);

// C-060
it("A Redis that hangs is treated as a Redis that is down", async () => {
  const c = "room:hang";
  const writer = await stage.connectWith(edgeAt(0), "writer");
  await publish(writer, c, bodies(20));
  const places = new Map<string, string>();
  const users = bodies(20).map((name) => `user-${name}`);
  for (const [index, user] of users.entries()) {
    const client = await stage.connectWith(edgeAt(index), user, { device: DEVICE });
    await subscribe(client, c, "earliest");
    await whenHas(client, c, bodies(20));
    const pos = must(client.messages(c)[index]?.pos, "a position");
    expect((await client.request({ t: "ack", c, pos })).t).toBe("ackd");
    places.set(user, pos);
    client.terminate();
  }
  const live = await stage.connectWith(edgeAt(1), "live");
  await subscribe(live, c, "live");
  redis.pause();
  const startMs = performance.now();
  const slowestMs = { connect: 0, publish: 0 };
  let published = 0;
  while (performance.now() - startMs < HANG_MS || published < 20) {
    const user = must(users[published % users.length], "a user");
    const fromMs = performance.now();
    const client = await stage.connectWith(edgeAt(published), user, { device: DEVICE });
    const inMs = performance.now();
    const asked = subscribe(client, c, "acked");
    const key = `k${published++}`;
    expect(await client.request({ t: "pub", c, key, body: key })).toMatchObject({ t: "pubd" });
    slowestMs.connect = Math.max(slowestMs.connect, inMs - fromMs);
    slowestMs.publish = Math.max(slowestMs.publish, performance.now() - inMs);
    client.send({ t: "ack", c, pos: places.get(user) });
    if (published % 10 === 0) expect(await asked).toMatchObject({ code: "unavailable" });
    await live.next(({ key: found }) => found === key, "what was published meanwhile");
    client.terminate();
    await sleep(20);
  }
  expect(slowestMs.connect).toBeLessThan(50_000);
  expect(slowestMs.publish).toBeLessThan(50_000);
  expect(await gaugeOf(0, "millrace_cursors_pending")).toBeLessThanOrEqual(users.length);
  redis.resume();
  await whenRedisIsUp();
  // No late answer is taken for that to another question: each has its own place.
  for (const [index, user] of users.entries()) {
    const client = await stage.connectWith(edgeAt(index), user, { device: DEVICE });
    expect(await ackedOf(client, c)).toMatchObject({ t: "subd", pos: places.get(user) });
    client.terminate();
  }
  for (const index of [0, 1]) {
    const isWritten = async (): Promise<boolean> =>
      (await gaugeOf(index, "millrace_cursors_pending")) === 0;
    await waitFor(isWritten, { what: "nothing waits for Redis any more" });
  }
  expect(live.offence).toBeUndefined();
  expect(new Set(live.bodies(c)).size).toBe(live.bodies(c).length);
}, 240_000);

function bodies(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `m${index}`);
}
