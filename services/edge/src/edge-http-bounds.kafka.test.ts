import { connect } from "node:net";
import { waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import type { PublishGate, PublishOutcome } from "./publish/publish-gate.ts";
import { delayedLog } from "./testing/delayed-log.ts";
import { EdgeStage, publish } from "./testing/edge-stage.ts";
import { type HttpReply, ask, messagesPath } from "./testing/http-client.ts";

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({
    brokers: inject("kafkaBrokers"),
    redisUrl: inject("redisUrl"),
  });
});

afterEach(() => stage.close());

function short({ status, json, headers }: HttpReply): unknown[] {
  return [status, json?.["error"], headers.get("retry-after")];
}

it("Only so many pages of history are read at once, and no user takes all of them", async () => {
  const c = "room:busy";
  await stage.makeTopic();
  const readers = { isHeld: false, reads: 0 };
  const log = delayedLog(stage.kafkaLog(), ({ waitMs }) => {
    if (waitMs > 0 || !readers.isHeld) return 0;
    readers.reads++;
    return 1_500;
  });
  const limits = { ...LIMITS, historyScansMax: 2, historyScansPerUser: 1 };
  const edge = await stage.start("edge-1", { log, limits });
  await publish(await stage.connect(edge, "alice"), c, ["m0"]);
  const tokens = ["alice", "bob", "carol"].map((sub) => stage.issuer.token({ sub }));
  const [alice = "", bob = "", carol = ""] = await Promise.all(tokens);
  const page = (token: string): Promise<HttpReply> => ask(edge.port, messagesPath(c), { token });
  readers.isHeld = true;
  const first = page(alice);
  await waitFor(() => readers.reads === 1, { what: "the first reader" });
  expect(short(await page(alice))).toEqual([429, "rate-limited", "1"]);
  const second = page(bob);
  await waitFor(() => readers.reads === 2, { what: "the second reader" });
  expect(short(await page(carol))).toEqual([503, "unavailable", "1"]);
  readers.isHeld = false;
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  for (const token of [alice, bob, carol]) expect((await page(token)).status).toBe(200);
});

it("Only so many publishes wait at once, those of a user and those of all", async () => {
  const waiting: (() => void)[] = [];
  const gate: PublishGate = {
    check: async (_, publishes) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return publishes.map(() => ({ kind: "append" }));
    },
  };
  const announced = { ...LIMITS.announced, publishesInFlight: 2 };
  const bounds = { httpRequestsMax: 3, historyScansMax: 2, historyScansPerUser: 1 };
  const edge = await stage.start("edge-1", { gate, limits: { ...LIMITS, ...bounds, announced } });
  const [alice, bob] = [await stage.issuer.token(), await stage.issuer.token({ sub: "bob" })];
  const post = (token: string, index: number): Promise<HttpReply> =>
    ask(edge.port, messagesPath(`room:${index}`), { token, body: { body: "x" } });
  const inPartitions = [0, 1].map((index) => post(alice, index));
  await waitFor(() => waiting.length > 0, { what: "a first publish" });
  await waitFor(async () => (await post(alice, 2)).status === 429, { what: "a full user" });
  const refused = await post(alice, 2);
  expect(short(refused)).toEqual([429, "too-many-in-flight", "1"]);
  expect(refused.json?.["retryMs"]).toBe(500);
  const ofBob = post(bob, 3);
  await waitFor(async () => (await post(alice, 4)).status === 503, { what: "a full edge" });
  expect(short(await post(alice, 4))).toEqual([503, "unavailable", "1"]);
  // The probes are answered all the same.
  expect((await ask(edge.port, "/healthz")).status).toBe(200);
  const all = Promise.all([...inPartitions, ofBob]);
  let isDone = false;
  void all.then(() => (isDone = true));
  const letGo = (): boolean => {
    for (const go of waiting.splice(0)) go();
    return isDone;
  };
  await waitFor(letGo, { what: "all answers" });
  expect((await all).map(({ status }) => status)).toEqual([201, 201, 201]);
});

it("Bodies that come slowly use up their sender's publishes, and nobody else's", async () => {
  const announced = { ...LIMITS.announced, publishesInFlight: 2 };
  const edge = await stage.start("edge-1", { limits: { ...LIMITS, announced } });
  const [alice, bob] = [await stage.issuer.token(), await stage.issuer.token({ sub: "bob" })];
  const path = messagesPath("room:slow");
  const post = (token: string): Promise<HttpReply> =>
    ask(edge.port, path, { token, body: { body: "x" } });
  const head =
    `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice}\r\n` +
    `Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
  const slow = [0, 1].map(() => connect({ port: edge.port, host: "127.0.0.1" }));
  for (const socket of slow) socket.write(head);
  await waitFor(async () => (await post(alice)).status === 429, { what: "a full user" });
  expect((await post(bob)).status).toBe(201);
  // Who stays that slow is cut off.
  await Promise.all(slow.map((socket) => new Promise((resolve) => socket.on("close", resolve))));
  expect((await post(alice)).status).toBe(201);
});

it("Says of a publish that failed whether it may be in the log", async () => {
  const outcomes: Record<string, PublishOutcome> = {
    unknown: { kind: "unknown" },
    "not appended": { kind: "not-appended", why: "a test" },
    "too large": { kind: "refused", code: "too-large" },
    invalid: { kind: "refused", code: "invalid" },
    "no right": { kind: "refused", code: "not-authorized" },
  };
  const gate: PublishGate = {
    check: (_, publishes) =>
      Promise.resolve(
        publishes.map(({ frame }) => {
          const outcome = outcomes[frame.body];
          return outcome === undefined ? { kind: "append" } : { kind: "answer", outcome };
        }),
      ),
  };
  const edge = await stage.start("edge-1", { gate });
  const token = await stage.issuer.token();
  const path = messagesPath("room:failing");
  const retry = { error: "unavailable", retryMs: 500 };
  for (const [body, status, json] of [
    ["unknown", 503, { ...retry, unknown: true }],
    ["not appended", 503, retry],
    ["too large", 413, { error: "body-too-large" }],
    ["invalid", 500, { error: "internal" }],
    ["no right", 503, { error: "unavailable", retryMs: 5_000 }],
  ] as const) {
    const reply = await ask(edge.port, path, { token, body: { body } });
    const message = expect.any(String) as string;
    expect([reply.status, reply.json]).toEqual([status, { ...json, message }]);
    expect(reply.headers.has("retry-after")).toBe(status === 503);
  }
  const page = await ask(edge.port, path, { token });
  expect(page.json?.["messages"]).toEqual([]);
  expect((await ask(edge.port, path, { token, body: { body: "fine" } })).status).toBe(201);
});
