import { waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { Chatters } from "./testing/chatters.ts";
import { EdgeStage, type EdgePlace, publish, subscribe } from "./testing/edge-stage.ts";
import { ask, messagesPath } from "./testing/http-client.ts";
import { printMeasured } from "./testing/measured.ts";
import { RawClient } from "./testing/raw-client.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const ORDINARY = IS_FULL ? 100 : 20;
const FLOOD_MS = IS_FULL ? 10_000 : 3_000;
const SUBSCRIBES = IS_FULL ? 100_000 : 3_000;
const SOCKETS = IS_FULL ? 500 : 100;
const AT_ONCE = 4;

/** 20,000 a second, over all of its sockets. */
const BATCH = 500;
const BATCH_EVERY_MS = 100;

/** Ten times the promise. */
const P99_MS_MAX = 3_000;

const { publishPerSec, publishBurst, subscriptions } = LIMITS.announced;
const AS_ANNOUNCED = {
  EDGE_PUBLISH_PER_SEC: String(publishPerSec),
  EDGE_PUBLISH_BURST: String(publishBurst),
};
const C = "room:greedy";

/** What a limit says. */
const ALLOWANCES: readonly (string | undefined)[] = ["rate-limited", "too-many-in-flight"];

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({
    brokers: inject("kafkaBrokers"),
    redisUrl: inject("redisUrl"),
    env: AS_ANNOUNCED,
  });
});

afterEach(() => stage.close());

/** Publishes as fast as it can, and comes back each time it is thrown out. Returns its connections. */
async function flood(edge: EdgePlace, untilMs: number, name: string): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  let sent = 0;
  while (performance.now() < untilMs) {
    const client = await stage.connect(edge, "greedy");
    clients.push(client);
    while (client.closeCode === undefined && performance.now() < untilMs) {
      const frames = Array.from({ length: BATCH }, (_, index) => {
        const key = `${name}-${sent + index}`;
        return { t: "pub", id: sent + index, c: C, key, body: key };
      });
      sent += BATCH;
      client.sendText(JSON.stringify(frames));
      const nextMs = performance.now() + BATCH_EVERY_MS;
      await waitFor(() => performance.now() >= nextMs || client.closeCode !== undefined, {
        what: "the next batch",
      });
    }
    client.terminate();
  }
  return clients;
}

/** Keys as they were numbered, of the answers that fit. */
function keysOf(clients: readonly RawClient[], name: string, t: string): string[] {
  return clients.flatMap(({ frames }) =>
    frames.flatMap((frame) =>
      frame.t === t && frame.id !== undefined ? `${name}-${frame.id}` : [],
    ),
  );
}

// C-021
it("One client can use up its own allowance and nobody else's", async () => {
  const edge = await stage.spawn("edge-1");
  const ordinary = await Chatters.start(stage, edge, { count: ORDINARY });
  const startMs = performance.now();
  const names = Array.from({ length: AT_ONCE }, (_, index) => `flood-${index}`);
  const floods = await Promise.all(names.map((name) => flood(edge, startMs + FLOOD_MS, name)));
  const tookS = (performance.now() - startMs) / 1_000;
  const errors = floods.flat().flatMap(({ frames }) => frames.filter(({ t }) => t === "err"));
  const told = new Set(errors.map(({ code }) => code));
  expect(told).toContain("rate-limited");
  expect([...told].filter((code) => !ALLOWANCES.includes(code))).toEqual([]);
  expect(errors.every(({ retryMs = 0 }) => retryMs > 0)).toBe(true);
  const closes = new Set(floods.flat().map(({ closeCode }) => closeCode));
  expect(closes).toContain(4450);

  // The topic has what was acknowledged, and of the rest only what nobody was left to hear of.
  const reader = await stage.connect(edge, "reader");
  await subscribe(reader, C, "earliest");
  const acknowledged = names.flatMap((name, index) => keysOf(floods[index] ?? [], name, "pubd"));
  const refused = new Set(names.flatMap((name, index) => keysOf(floods[index] ?? [], name, "err")));
  // More may stand there than was acknowledged, so that their number says nothing.
  const missing = (): string[] => {
    const there = new Set(reader.bodies(C));
    return acknowledged.filter((key) => !there.has(key));
  };
  await waitFor(() => missing().length === 0, { what: "all of it" });
  const stored = reader.bodies(C);
  expect(new Set(stored).size).toBe(stored.length);
  expect(stored.filter((key) => refused.has(key))).toEqual([]);
  expect(stored.length).toBeLessThanOrEqual(publishBurst + publishPerSec * (tookS + 1));

  await subscribeTooMuch(edge);
  await connectTooMuch(edge);

  ordinary.stop();
  await waitFor(() => ordinary.isSettled, { what: "the ordinary ones have heard all" });
  const report = ordinary.report();
  printMeasured({
    ordinary: report,
    greedy: { asked: errors.length + stored.length, stored: stored.length },
  });
  expect([report.refused, ordinary.areAllThere]).toEqual([0, true]);
  expect(report.p99Ms).toBeLessThan(P99_MS_MAX);
}, 180_000);

async function subscribeTooMuch(edge: EdgePlace): Promise<void> {
  const messages = new Set<string | undefined>();
  for (let sent = 0; sent < SUBSCRIBES;) {
    const client = await stage.connect(edge, "greedy");
    while (client.closeCode === undefined && sent < SUBSCRIBES) {
      const frames = Array.from({ length: BATCH }, (_, index) => {
        return { t: "sub", id: sent + index, c: `${C}-${sent + index}`, from: "live" };
      });
      sent += BATCH;
      client.sendText(JSON.stringify(frames));
      const lastId = sent - 1;
      await waitFor(
        () => client.closeCode !== undefined || client.frames.some(({ id }) => id === lastId),
        { what: "its answers" },
      );
    }
    expect([undefined, 4450]).toContain(client.closeCode);
    expect(client.frames.filter(({ t }) => t === "subd").length).toBeLessThanOrEqual(subscriptions);
    for (const { code, message } of client.frames)
      if (code === "rate-limited") messages.add(message);
    client.terminate();
  }
  expect([...messages].join()).toContain("subscribes");
}

async function connectTooMuch(edge: EdgePlace): Promise<void> {
  const token = await stage.issuer.token({ sub: "hoarder" });
  const sockets = await Promise.all(
    Array.from({ length: SOCKETS }, () => RawClient.attempt({ url: edge.ws, token })),
  );
  const refused = sockets.filter(({ refusal }) => refusal !== undefined);
  expect(sockets.length - refused.length).toBe(LIMITS.connectionsPerUser);
  expect(new Set(refused.map(({ refusal, retryAfterS }) => [refusal, retryAfterS].join()))).toEqual(
    new Set(["429,1"]),
  );
  for (const socket of sockets) socket.terminate();
}

it("More edges give a user no higher rate, only once a burst of each", async () => {
  const edges = await Promise.all(["edge-1", "edge-2", "edge-3"].map((id) => stage.start(id)));
  const clients = await Promise.all(edges.map((edge) => stage.connect(edge, "greedy")));
  const startMs = performance.now();
  let sent = 0;
  await waitFor(
    () => {
      for (const client of clients) {
        const frames = Array.from({ length: 3 }, () => ({ t: "pub", id: sent++, c: C, body: "x" }));
        client.sendText(JSON.stringify(frames));
      }
      return performance.now() - startMs > FLOOD_MS;
    },
    { what: "its time", timeoutMs: 2 * FLOOD_MS },
  );
  await waitFor(
    () =>
      clients.reduce(
        (sum, { frames }) => sum + frames.filter(({ id }) => id !== undefined).length,
        0,
      ) === sent,
    { what: "all answers" },
  );
  const tookS = (performance.now() - startMs) / 1_000;
  const stored = clients.flatMap(({ frames }) => frames.filter(({ t }) => t === "pubd")).length;
  printMeasured({ edges: edges.length, tookS, sent, stored });
  expect(sent).toBeGreaterThan(edges.length * (publishBurst + publishPerSec));
  expect(stored).toBeLessThanOrEqual(edges.length * publishBurst + publishPerSec * tookS);
  expect(stored).toBeGreaterThanOrEqual(publishBurst);
});

it("What is published over HTTP counts, too", async () => {
  const edge = await stage.start("edge-1");
  const client = await stage.connect(edge, "alice");
  const bodies = Array.from({ length: publishBurst / 2 }, (_, index) => `m${index}`);
  await publish(client, C, bodies);
  const token = await stage.issuer.token({ sub: "alice" });
  const post = async (): Promise<unknown[]> => {
    const { status, json, headers } = await ask(edge.port, messagesPath(C), {
      token,
      body: { body: "over HTTP" },
    });
    return [status, json?.["error"], headers.has("retry-after")];
  };
  let last = await post();
  let posted = 0;
  for (; last[0] === 201 && posted < 10 * publishBurst; posted++) {
    [last] = (await Promise.all(Array.from({ length: 8 }, post))).toSorted(
      ([a], [b]) => Number(b) - Number(a),
    ) as [unknown[]];
  }
  expect(last).toEqual([429, "rate-limited", true]);
  const other = await stage.issuer.token({ sub: "bob" });
  expect(
    (await ask(edge.port, messagesPath(C), { token: other, body: { body: "x" } })).status,
  ).toBe(201);
});
