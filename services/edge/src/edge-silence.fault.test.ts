import { setTimeout as sleep } from "node:timers/promises";
import { type ClientState, connect } from "@millrace/client/node";
import { must, systemClock } from "@millrace/runtime";
import { TcpProxy, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { readEdgeConfig } from "./config.ts";
import { LIMITS } from "./limits.ts";
import {
  EdgeStage,
  type LocalEdge,
  bodiesFrom,
  publish,
  subscribe,
  whenHas,
} from "./testing/edge-stage.ts";
import { RawClient } from "./testing/raw-client.ts";
import { RawSocket } from "./testing/raw-socket.ts";

/** What a proxy such as nginx waits for by default before it cuts an idle line. */
const PROXY_IDLE_MS = 60_000;
const PING_MS = 1_000;
/** For a busy machine, on top of what is promised. */
const SLACK_MS = 700;

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

function startEdge(pingMs: number, wallMs = (): number => Date.now()): Promise<LocalEdge> {
  const clock = { ...systemClock, wallMs };
  return stage.start("edge-1", { clock }, { EDGE_PING_MS: String(pingMs) });
}

async function proxyTo(edge: LocalEdge): Promise<TcpProxy & { readonly ws: string }> {
  const proxy = await TcpProxy.start({ targetPort: edge.port });
  stage.atEnd(() => proxy.close());
  return Object.assign(proxy, { ws: `ws://127.0.0.1:${proxy.port}/v1/connect` });
}

/** For a good while, by the clock of the machine. */
function longToken(sub: string): Promise<string> {
  return stage.issuer.token({ sub, exp: Math.floor(Date.now() / 1_000) + 600 });
}

async function closes(edge: LocalEdge, code: string): Promise<number> {
  const { values } = await edge.edge.metrics.closes.get();
  return values.find(({ labels }) => labels.code === code)?.value ?? 0;
}

/** How often a reader has fallen behind, or begun behind. */
async function lagging(edge: LocalEdge): Promise<number> {
  const { values } = await edge.edge.metrics.lagging.get();
  return values[0]?.value ?? 0;
}

/** Bytes that the kernel did not take. */
async function buffered(edge: LocalEdge): Promise<number> {
  const { values } = await edge.edge.metrics.bufferedBytes.get();
  return values[0]?.value ?? 0;
}

async function connections(edge: LocalEdge): Promise<number> {
  const { values } = await edge.edge.metrics.connections.get();
  return values[0]?.value ?? 0;
}

// C-025
it("A dead line is noticed by both ends within the promised time", async () => {
  const c = "room:dead";
  const edge = await startEdge(PING_MS);
  const proxy = await proxyTo(edge);
  const states: { kind: ClientState["kind"]; atMs: number }[] = [];
  const client = connect({
    url: proxy.ws,
    token: () => stage.issuer.token({ sub: "alice" }),
    onState: ({ kind }) => states.push({ kind, atMs: performance.now() }),
    environment: { random: () => 0.1 },
  });
  stage.atEnd(() => Promise.resolve(client.close()));
  const seen: string[] = [];
  let isLive = false;
  client.subscribe(c, {
    onMessage: ({ body, from }) => from === "bob" && void seen.push(body),
    onLive: () => {
      isLive = true;
    },
  });
  await waitFor(() => isLive, { what: "a subscriber" });
  const bob = await stage.connect(edge, "bob");
  const before = await connections(edge);

  // Whatever is sent on that connection, in either direction, is never heard of again.
  proxy.inspect((_, __, connection) => (connection === 0 ? "swallow" : "pass"));
  const deadAtMs = performance.now();
  const published = ["c1", "c2", "c3", "c4", "c5"].map((key) => client.publish(c, key, { key }));
  await publish(bob, c, bodiesFrom(1, 11));
  const freed = waitFor(async () => (await closes(edge, "4458")) === 1, { what: "a freed socket" });
  const freedInMs = freed.then(() => performance.now() - deadAtMs);
  const noticed = await waitFor(() => states.find(({ kind }) => kind === "waiting"), {
    what: "the SDK to notice",
  });
  expect(noticed.atMs - deadAtMs).toBeLessThan(2 * PING_MS + SLACK_MS);
  expect(await freedInMs).toBeLessThan(2 * PING_MS + SLACK_MS);
  await Promise.all(published);
  await waitFor(() => seen.length >= 10, { what: "all that was missed" });
  expect(await connections(edge)).toBe(before);
  const reader = await stage.connect(edge, "reader");
  await subscribe(reader, c, "earliest");
  await waitFor(() => reader.messages(c).length >= 15, { what: "all that is stored" });
  const stored = reader.bodies(c);
  expect(stored.filter((body) => body.startsWith("c"))).toEqual(["c1", "c2", "c3", "c4", "c5"]);
  expect(stored).toHaveLength(15);
  expect(seen).toEqual(bodiesFrom(1, 11));
});

it("the SDK notices by itself that an edge is frozen, which closes nothing", async () => {
  const edge = await stage.spawn("edge-1", { env: { EDGE_PING_MS: String(PING_MS) } });
  let lostAtMs: number | undefined;
  const client = connect({
    url: edge.ws,
    token: () => stage.issuer.token({ sub: "alice" }),
    onState: ({ kind }) => {
      if (kind === "waiting") lostAtMs ??= performance.now();
    },
    environment: { random: () => 0.1 },
  });
  stage.atEnd(() => Promise.resolve(client.close()));
  await waitFor(() => client.state.kind === "ready", { what: "a ready client" });
  edge.pause();
  const frozenAtMs = performance.now();
  const noticedAtMs = await waitFor(() => lostAtMs, { what: "the SDK to notice" });
  expect(noticedAtMs - frozenAtMs).toBeLessThan(2 * PING_MS + SLACK_MS);
  edge.resume();
  await waitFor(() => client.state.kind === "ready", { what: "a new connection" });
});

it.each(["up", "down"] as const)("a line that is dead %s only is noticed as well", async (dead) => {
  const edge = await startEdge(PING_MS);
  const proxy = await proxyTo(edge);
  const client = await RawClient.open({ url: proxy.ws, token: await stage.issuer.token() });
  proxy.inspect((_, direction) => (direction === dead ? "swallow" : "pass"));
  const startMs = performance.now();
  await waitFor(async () => (await closes(edge, "4458")) === 1, { what: "the end" });
  const tookMs = performance.now() - startMs;
  expect(tookMs).toBeLessThan(2 * PING_MS + SLACK_MS);
  expect(await connections(edge)).toBe(0);
  // Where it can still hear, it hears why.
  await waitFor(() => client.closeCode !== undefined, { what: "a close" });
  if (dead === "up") expect(client.closeCode).toBe(4458);
});

it("a reader that is slow, but reads, outlives many intervals", async () => {
  const c = "room:slow";
  const edge = await startEdge(1_500);
  const slow = await stage.connect(edge, "slow");
  await subscribe(slow, c, "live");
  await slow.next(({ t }) => t === "live", "the end of its catch-up");
  slow.pause();
  const writer = await stage.connect(edge, "writer");
  const bodies: string[] = [];
  // It still speaks: until the kernel's buffers are full it is not lagging, and that may take long.
  const speaking = setInterval(() => slow.send({ t: "ping" }), 200);
  stage.atEnd(async () => clearInterval(speaking));
  // More than the kernel takes: the pings wait behind what was not read.
  while ((await buffered(edge)) === 0) {
    const more = bodiesFrom(bodies.length, bodies.length + 100);
    const large = more.map((body) => body.padEnd(16_000, "."));
    bodies.push(...large);
    await publish(writer, c, large);
  }
  clearInterval(speaking);
  await sleep(3 * 1_500);
  expect(await closes(edge, "4458")).toBe(0);
  slow.resume();
  await whenHas(slow, c, bodies);
  expect(slow.closeCode).toBeUndefined();
});

it("a reader that does not read at all ends with the patience for those that lag", async () => {
  const c = "room:stuck";
  const laggingPatienceMs = 6_000;
  const limits = { ...LIMITS, laggingPatienceMs };
  const edge = await stage.start("edge-1", { limits }, { EDGE_PING_MS: "1500" });
  const stuck = await stage.connect(edge, "stuck");
  await subscribe(stuck, c, "live");
  await stuck.next(({ t }) => t === "live", "the end of its catch-up");
  const writer = await stage.connect(edge, "writer");
  const before = await lagging(edge);
  const startMs = performance.now();
  stuck.pause();
  while ((await lagging(edge)) === before) {
    const large = Array.from({ length: 100 }, () => "x".repeat(16_000));
    await publish(writer, c, large);
  }
  await waitFor(async () => (await closes(edge, "4458")) === 1, { what: "its end" });
  // It counts from when it was last heard, at most an interval before it stopped reading.
  expect(performance.now() - startMs).toBeGreaterThan(laggingPatienceMs - 1_500);
  expect(writer.closeCode).toBeUndefined();
});

// C-028
it("An idle client survives a proxy with default settings", async () => {
  const config = readEdgeConfig({
    EDGE_KAFKA_BROKERS: "a:1",
    EDGE_REDIS_URL: "redis://a",
    EDGE_ISSUER: "https://a",
    EDGE_JWKS: "/a",
  });
  const defaultMs = config.ok ? config.values.pingMs : Number.NaN;
  // The same proportions, fifty times as fast.
  const scale = 50;
  const edge = await startEdge(defaultMs / scale);
  const proxy = await proxyTo(edge);
  const heardAtMs = new Map<string, number>();
  proxy.inspect((_, direction, connection) => {
    heardAtMs.set(`${connection} ${direction}`, performance.now());
    return "pass";
  });
  const clients = await Promise.all(
    Array.from({ length: 10 }, async (_, index) =>
      RawClient.open({ url: proxy.ws, token: await stage.issuer.token({ sub: `idle-${index}` }) }),
    ),
  );
  const startMs = performance.now();
  let longestMs = 0;
  while (performance.now() - startMs < 300_000 / scale) {
    await sleep(20);
    const idleMs = performance.now() - Math.min(...heardAtMs.values());
    longestMs = Math.max(longestMs, idleMs);
    if (idleMs > PROXY_IDLE_MS / scale) proxy.cutAll();
  }
  expect(clients.map(({ closeCode }) => closeCode)).toEqual(clients.map(() => undefined));
  expect(longestMs).toBeLessThan(PROXY_IDLE_MS / scale);
  expect(await connections(edge)).toBe(clients.length);
  // Pings that come too rarely for such a proxy are refused at the start.
  const rare = { EDGE_PING_MS: String(2 * PROXY_IDLE_MS) };
  const refused = readEdgeConfig(rare);
  expect(refused.ok ? [] : refused.problems).toContainEqual(
    expect.stringContaining("EDGE_PING_MS"),
  );
});

// C-035
it("A jump of the clock disconnects nobody", async () => {
  const c = "room:clock";
  const pingMs = 500;
  let jumpMs = 0;
  const edge = await startEdge(pingMs, () => Date.now() + jumpMs);
  const clients = await Promise.all(
    Array.from({ length: 100 }, async (_, index) =>
      RawClient.open({ url: edge.ws, token: await longToken(`user-${index}`) }),
    ),
  );
  for (const client of clients) await subscribe(client, c, "live");
  const writer = must(clients[0], "a client");
  const told: string[] = [];
  const [minute, hour] = [60_000, 3_600_000];
  for (const byMs of [5 * minute, -5 * minute, hour, -hour, 24 * hour]) {
    // The dead are noticed as before; to come in, a token must be good by the edge's clock.
    const dead = await closes(edge, "4458");
    const jumpedMs = jumpMs;
    jumpMs = 0;
    const mute = await RawSocket.open({ port: edge.port, token: await longToken("mute") });
    jumpMs = jumpedMs + byMs;
    await waitFor(() => mute.isClosed, { what: "the end of a mute line", timeoutMs: 10 * pingMs });
    expect(await closes(edge, "4458")).toBe(dead + 1);
    const body = `after ${byMs}`;
    told.push(body);
    await publish(writer, c, [body]);
  }
  for (const client of clients) {
    await whenHas(client, c, told);
    expect(client.closeCode).toBeUndefined();
    expect(client.frames.some(({ t }) => t === "expiring")).toBe(false);
  }
  expect(await connections(edge)).toBe(clients.length);
});
