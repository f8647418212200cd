import { type Socket, connect } from "node:net";
import {
  type EdgeProcess,
  RedisServer,
  TcpProxy,
  openDescriptors,
  processUsage,
  waitFor,
} from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { Chatters } from "./testing/chatters.ts";
import { type EdgePlace, EdgeStage, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import { percentile } from "./testing/percentile.ts";
import { ask, messagesPath } from "./testing/http-client.ts";
import { printMeasured } from "./testing/measured.ts";
import { RawClient } from "./testing/raw-client.ts";
import type { ProcessProbe } from "./vitals/process-probe.ts";

const MIB = 1_048_576;
const IS_FULL = process.env["MILLRACE_FULL"] === "1";

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

/** A connection that never becomes a client. */
class Stranger {
  readonly #socket: Socket;
  #dripping: NodeJS.Timeout | undefined;
  isGone = false;
  error: string | undefined;

  constructor(port: number, text = "") {
    this.#socket = connect({ port, host: "127.0.0.1" });
    this.#socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code));
    this.#socket.on("close", () => {
      this.isGone = true;
      clearInterval(this.#dripping);
    });
    this.#socket.on("end", () => this.#socket.destroy());
    this.#socket.on("data", () => undefined);
    if (text !== "") this.#socket.write(text);
  }

  /** One byte a second. */
  drip(): this {
    this.#dripping = setInterval(() => this.#socket.write("x"), 1_000);
    return this;
  }

  end(): void {
    clearInterval(this.#dripping);
    this.#socket.destroy();
  }
}

const HEAD = "GET /v1/connect HTTP/1.1\r\nHost: x\r\n";

function badUpgrade(address: string): string {
  return (
    `${HEAD}Upgrade: websocket\r\nConnection: Upgrade\r\nX-Forwarded-For: ${address}\r\n` +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Protocol: millrace.v1.json\r\nAuthorization: Bearer x.y.z\r\n\r\n"
  );
}

// C-046
it("Strangers cannot crowd out users", async () => {
  const [strangers, users] = IS_FULL ? [2_000, 200] : [600, 60];
  const edge = await stage.spawn("edge-1", { env: { EDGE_TRUSTED_PROXIES: "127.0.0.1" } });
  await stage.connect(edge, "early");
  const [before, descriptors] = [processUsage(edge.pid), openDescriptors(edge.pid)];
  const bad = badUpgrade("198.51.100.1");
  const crowd = Array.from({ length: strangers }, (_, index) => {
    if (index % 3 === 0) return new Stranger(edge.port);
    if (index % 3 === 1) return new Stranger(edge.port, `${HEAD}X-Long: `).drip();
    return new Stranger(edge.port, bad);
  });
  stage.atEnd(() => Promise.resolve(crowd.forEach((stranger) => stranger.end())));
  const startMs = performance.now();
  const tokens = Array.from({ length: users }, (_, index) =>
    stage.issuer.token({ sub: `user-${index}` }),
  );
  const tookMs = await Promise.all(
    (await Promise.all(tokens)).map(async (token, index) => {
      const headers = { "x-forwarded-for": `203.0.113.${index}` };
      const askedMs = performance.now();
      const client = await RawClient.open({ url: edge.ws, token, headers });
      stage.atEnd(() => Promise.resolve(client.terminate()));
      return performance.now() - askedMs;
    }),
  );
  // The promise is one second; a test asserts ten times that.
  expect(Math.max(...tookMs)).toBeLessThan(10_000);
  await waitFor(() => crowd.every(({ isGone }) => isGone), {
    what: "the strangers are gone",
    timeoutMs: 100_000,
  });
  const goneS = (performance.now() - startMs) / 1_000;
  await waitFor(() => openDescriptors(edge.pid) <= descriptors + users + 10, {
    what: "their descriptors are free",
  });
  const grownBytes = processUsage(edge.pid).residentBytes - before.residentBytes;
  expect(grownBytes).toBeLessThan(64 * MIB);
  const text = await (await fetch(edge.metrics)).text();
  // Whoever goes on after so many a second is not even looked at.
  expect(counted(text, 'millrace_limited_total{limit="handshakesPerAddress"}')).toBeGreaterThan(0);
  const p99Ms = Math.round(percentile(tookMs, 0.99));
  printMeasured({ users, p99Ms, strangers, goneS, grownMib: grownBytes / MIB });
});

function counted(text: string, series: string): number {
  const line = text.split("\n").find((one) => one.startsWith(series));
  return Number(line?.split(" ")[1] ?? 0);
}

// C-066
it("A rush of connects never harms those already connected", async () => {
  const [rate, chatting, rush] = IS_FULL ? [100, 300, 2_000] : [100, 30, 400];
  const redis = await RedisServer.start();
  stage.atEnd(() => redis.stop());
  const proxy = await TcpProxy.start({ targetPort: redis.port });
  stage.atEnd(() => proxy.close());
  const load = { asked: 0, most: 0, secondStartMs: 0, slow: 0 };
  proxy.inspect((data, direction) => {
    if (direction === "down") return "pass";
    const nowMs = performance.now();
    if (nowMs - load.secondStartMs >= 1_000)
      Object.assign(load, { asked: 0, secondStartMs: nowMs });
    load.asked += data.toString("latin1").match(/evalsha/gi)?.length ?? 0;
    load.most = Math.max(load.most, load.asked);
    // Beyond what it can do, its answers take a second.
    if (load.asked > 2 * rate) {
      load.slow++;
      proxy.hold("down");
      setTimeout(() => proxy.release("down"), 1_000);
    }
    return "pass";
  });
  const limits = { ...LIMITS, handshakesPerSec: rate, handshakeBurst: rate / 2 };
  const edge = await stage.start(
    "edge-1",
    { limits: { ...limits, handshakesPerAddress: rate / 2 } },
    {
      EDGE_REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
    },
  );
  const chatters = await startGently(edge, chatting);
  const rushed = await Promise.all(
    Array.from({ length: rush }, (_, index) => comeIn(edge.ws, `rusher-${index}`)),
  );
  chatters.stop();
  await waitFor(() => chatters.isSettled, { what: "the chatting ones have heard all" });
  const report = chatters.report();
  const tries = rushed.reduce((sum, { refusals }) => sum + refusals.length + 1, 0);
  const tookS = Math.max(...rushed.map(({ tookMs }) => tookMs)) / 1_000;
  printMeasured({
    chatting: report,
    rush,
    tries,
    tookS,
    sessionsPerSec: load.most,
    slow: load.slow,
  });
  expect([chatters.areAllThere, report.refused]).toEqual([true, 0]);
  expect(report.p99Ms).toBeLessThan(5_000);
  // The excess cost nothing behind the edge, and was told when to come back.
  expect(load.slow).toBe(0);
  expect(tries).toBeGreaterThan(rush);
  const told = rushed.flatMap(({ refusals }) => refusals);
  expect(told.every((retryAfterS) => retryAfterS >= 1)).toBe(true);
  expect(new Set(told).size).toBeGreaterThan(1);
  expect(tookS).toBeLessThan((10 * rush) / rate);
});

/** A few at a time: they were there before the rush. */
async function startGently(edge: { readonly ws: string }, count: number): Promise<Chatters> {
  // Without keys, because the shared Redis is what a rush would be felt in.
  return Chatters.start(stage, edge, { count, isKeyed: false });
}

/** As a client does that heeds what it is told. */
async function comeIn(
  url: string,
  user: string,
): Promise<{ readonly tookMs: number; readonly refusals: number[] }> {
  const token = await stage.issuer.token({ sub: user });
  const startMs = performance.now();
  const refusals: number[] = [];
  for (;;) {
    const client = await RawClient.attempt({ url, token });
    stage.atEnd(() => Promise.resolve(client.terminate()));
    if (client.refusal === undefined) return { tookMs: performance.now() - startMs, refusals };
    if (client.refusal !== 503) throw new Error(`refused with ${client.refusal}`);
    refusals.push(client.retryAfterS ?? 0);
    const againMs = performance.now() + (client.retryAfterS ?? 0) * 1_000;
    await waitFor(() => performance.now() >= againMs, { what: "its time" });
  }
}

it("An edge short of memory turns newcomers away, and serves those who are there", async () => {
  const memory = { budgetBytes: 4_096 * MIB, rssBytes: 0 };
  const probe: ProcessProbe = {
    descriptorsMax: Number.POSITIVE_INFINITY,
    memoryBytes: memory.budgetBytes,
    sendBufferBytes: 4 * MIB,
    descriptors: () => 0,
    rssBytes: () => memory.rssBytes,
    heapShare: () => 0,
  };
  const edge = await stage.start("edge-1", { probe });
  const [c, token] = ["room:full", await stage.issuer.token({ sub: "late" })];
  const [one, two] = [await stage.connect(edge, "one"), await stage.connect(edge, "two")];
  await subscribe(two, c, "live");
  memory.rssBytes = memory.budgetBytes;
  const ready = async (): Promise<number> => (await ask(edge.port, "/readyz")).status;
  await waitFor(async () => (await ready()) === 503, { what: "it is not ready" });
  const late = await RawClient.attempt({ url: edge.ws, token });
  expect([late.refusal, (late.retryAfterS ?? 0) >= 1]).toEqual([503, true]);
  const told = await ask(edge.port, "/v1/connect", { token });
  expect([told.status, told.json?.["error"]]).toEqual([503, "unavailable"]);
  await publish(one, c, ["still"]);
  await whenHas(two, c, ["still"]);
  expect((await ask(edge.port, messagesPath(c), { token })).status).toBe(200);
  memory.rssBytes = 0;
  await waitFor(async () => (await ready()) === 200, { what: "it is ready" });
  expect((await attempt(edge, 0)).refusal).toBeUndefined();
});

// C-070
it("An edge that runs out of descriptors says so and keeps working", async () => {
  const [descriptorsMax, clients, leaving] = [512, 700, 300];
  const proxy = await TcpProxy.start({ targetPort: Number(new URL(inject("redisUrl")).port) });
  stage.atEnd(() => proxy.close());
  const edge = await stage.spawn("edge-1", {
    descriptorsMax,
    env: { EDGE_REDIS_URL: `redis://127.0.0.1:${proxy.port}` },
  });
  const opened: RawClient[] = [];
  const statuses = new Map<number | undefined, number>();
  for (let index = 0; index < clients; index += 20) {
    const some = Array.from({ length: 20 }, (_, offset) => attempt(edge, index + offset));
    for (const client of await Promise.all(some)) {
      const { refusal } = client;
      statuses.set(refusal, (statuses.get(refusal) ?? 0) + 1);
      if (refusal === undefined) opened.push(client);
      else expect([refusal, client.retryAfterS]).toEqual([503, expect.any(Number)]);
    }
  }
  // Whoever is refused is told so, and counted; nobody is just cut off.
  expect([...statuses.values()].reduce((sum, each) => sum + each)).toBe(clients);
  const refused = statuses.get(503) ?? 0;
  expect(opened.length).toBeGreaterThan(descriptorsMax / 2);
  const metrics = async (): Promise<string> => (await fetch(edge.metrics)).text();
  expect(counted(await metrics(), 'millrace_limited_total{limit="descriptors"}')).toBe(refused);
  expect((await fetch(`${edge.http}/readyz`)).status).toBe(503);
  expect((await fetch(`${edge.http}/healthz`)).status).toBe(200);
  await worksOn(edge, proxy, opened);

  // Those who say nothing can't be refused: then the edge stops listening, and still works.
  const silent = Array.from({ length: 100 }, () => new Stranger(edge.port));
  await waitFor(() => silent.some(({ error }) => error !== undefined), { what: "a refused one" });
  const before = processUsage(edge.pid);
  const startMs = performance.now();
  await worksOn(edge, proxy, opened);
  await waitFor(() => performance.now() - startMs > 2_000, { what: "two seconds" });
  const cpuShare =
    (processUsage(edge.pid).cpuSeconds - before.cpuSeconds) /
    ((performance.now() - startMs) / 1_000);
  printMeasured({ opened: opened.length, refused, cpuShare });
  expect(cpuShare).toBeLessThan(0.7);
  for (const stranger of silent) stranger.end();

  for (const client of opened.splice(-leaving)) client.terminate();
  await waitFor(async () => (await attempt(edge, clients)).refusal === undefined, {
    what: "newcomers are let in again",
  });
  expect(edge.child.hasExited).toBe(false);
});

async function attempt(edge: EdgePlace, index: number): Promise<RawClient> {
  const token = await stage.issuer.token({ sub: `user-${index}` });
  const client = await RawClient.attempt({ url: edge.ws, token });
  stage.atEnd(() => Promise.resolve(client.terminate()));
  return client;
}

/** Redis can come back, the metrics can be read, and who is connected chats. */
async function worksOn(
  edge: EdgeProcess,
  proxy: TcpProxy,
  [one, two]: readonly RawClient[],
): Promise<void> {
  if (one === undefined || two === undefined) throw new Error("nobody is connected");
  const c = `room:${performance.now()}`;
  const connections = proxy.connections;
  proxy.cutAll();
  await waitFor(() => proxy.connections >= Math.min(2, connections), { what: "Redis again" });
  await subscribe(two, c, "live");
  await publish(one, c, [`hello-${performance.now()}`]);
  await waitFor(() => two.messages(c).length === 1, { what: "the message" });
  const text = await (await fetch(edge.metrics)).text();
  expect(counted(text, "millrace_redis_up")).toBe(1);
}
