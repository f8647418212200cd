import { must } from "@millrace/runtime";
import { RedisServer, waitFor } from "@millrace/testkit";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { type EdgePlace, EdgeStage, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";

/** A session is looked at so often that a lost signal costs little. */
const LIMITS_QUICK = { ...LIMITS, sessionTouchMs: 200, sessionSaveMs: 50 };

let redis: RedisServer;
let stage: EdgeStage;

beforeAll(async () => {
  redis = await RedisServer.start();
});

afterAll(() => redis.stop());

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: redis.url });
});

afterEach(() => stage.close());

it("A session and its subscriptions are restored on another edge, each from its own place", async () => {
  const [one, two] = [await stage.start("edge-1"), await stage.start("edge-2")];
  const [acked, unacked, given] = ["room:acked", "room:unacked", "room:given"];
  const alice = await stage.connect(one, "alice");
  const { session } = welcomeOf(alice);
  const subscribed = await subscribe(alice, unacked, "live");
  await subscribe(alice, acked, "live");
  await subscribe(alice, given, "live");
  await alice.request({ t: "unsub", c: given });
  const writer = await stage.connect(one, "writer");
  await publish(writer, acked, ["a1", "a2"]);
  await publish(writer, unacked, ["u1"]);
  await whenHas(alice, acked, ["a1", "a2"]);
  const [first] = alice.messages(acked);
  expect((await alice.request({ t: "ack", c: acked, pos: first?.pos })).t).toBe("ackd");
  await whenSaved(session, 2);

  const back = await stage.connectWith(two, "alice", { session, attempt: "1", restore: "1" });
  expect(welcomeOf(back)).toMatchObject({ session, resumed: true });
  await whenHas(back, acked, ["a2"]);
  await whenHas(back, unacked, ["u1"]);
  const told = back.frames.filter(({ t }) => t === "subd");
  expect(told.map(({ id, restored }) => [id, restored])).toEqual([
    [undefined, true],
    [undefined, true],
  ]);
  expect(told.find(({ c }) => c === acked)?.pos).toBe(first?.pos);
  expect(told.find(({ c }) => c === unacked)?.pos).toBe(subscribed.pos);
  await publish(writer, given, ["g1"]);
  expect(back.messages(given)).toEqual([]);
  // The connection that had it is told so, on the other edge as on the same one.
  await waitFor(() => alice.closeCode === 4409, { what: "the end of the former connection" });
  const again = await stage.connectWith(two, "alice", { session, attempt: "2" });
  await waitFor(() => back.closeCode === 4409, { what: "the end of the one in between" });
  expect(welcomeOf(again)).toMatchObject({ session, resumed: true });
  expect(again.frames.filter(({ t }) => t === "subd")).toEqual([]);
});

it("An attempt that is not higher than the last takes nothing over, nor does a mere question", async () => {
  const edge = await stage.start("edge-1");
  const alice = await stage.connect(edge, "alice", "phone");
  const { session } = welcomeOf(alice);
  const third = await stage.connectWith(edge, "alice", query(session, "3"));
  await waitFor(() => alice.closeCode === 4409, { what: "the end of the first" });
  for (const attempt of ["0", "2", "3"]) {
    await expect(stage.connectWith(edge, "alice", query(session, attempt))).rejects.toThrow("409");
    expect(await ask(edge, "alice", query(session, attempt))).toBe(409);
  }
  await expect(stage.connectWith(edge, "alice", { session, device: "phone" })).rejects.toThrow(
    "409",
  );
  expect(await ask(edge, "alice", query(session, "4"))).toBe(204);
  expect(await ask(edge, "alice", query(session, "4"))).toBe(204);
  expect((await third.request({ t: "ping" })).t).toBe("pong");
  const fourth = await stage.connectWith(edge, "alice", query(session, "4"));
  expect(welcomeOf(fourth)).toMatchObject({ session, resumed: true });
});

// C-040
it("A session can be resumed only by the identity that owns it", async () => {
  const edge = await stage.start("edge-1");
  const c = "room:alices";
  const alice = await stage.connect(edge, "alice");
  const { session } = welcomeOf(alice);
  await subscribe(alice, c, "live");
  await whenSaved(session, 1);
  const wish = { session, attempt: "9", restore: "1" };
  const foreign = await stage.connectWith(edge, "bob", wish);
  const unknown = await stage.connectWith(edge, "bob", { ...wish, session: "s_unknown" });
  const otherDevice = await stage.connectWith(edge, "alice", { ...wish, device: "phone" });
  for (const stranger of [foreign, unknown, otherDevice]) {
    const welcome = welcomeOf(stranger);
    expect(welcome.resumed).toBe(false);
    expect(welcome.session).not.toBe(session);
    expect((await stranger.request({ t: "ping" })).t).toBe("pong");
    const told = stranger.frames.map(({ t }) => t).filter((t) => t !== "expiring");
    expect(told).toEqual(["welcome", "pong"]);
  }
  expect((await alice.request({ t: "ping" })).t).toBe("pong");
  alice.terminate();
  await waitFor(async () => (await connOf(session)) === "", { what: "the session without her" });
  const late = await stage.connectWith(edge, "bob", wish);
  expect(welcomeOf(late).resumed).toBe(false);
  const hers = await stage.connectWith(edge, "alice", { ...wish, attempt: "1" });
  expect(welcomeOf(hers)).toMatchObject({ session, resumed: true });
  // Guessing costs a place among the connections, and finds nothing.
  for (let guess = 0; guess < 50; guess++) {
    const guesser = await stage.connectWith(edge, "bob", {
      ...wish,
      session: `s_${crypto.randomUUID()}`,
    });
    expect(welcomeOf(guesser).resumed).toBe(false);
    guesser.terminate();
  }
});

it("A user sees and ends the own sessions, and an operator everybody's", async () => {
  const [one, two] = [await stage.start("edge-1"), await stage.start("edge-2")];
  // Redis is shared with the other tests here, and a user's sessions outlive them.
  const [user, other] = [`ann-${crypto.randomUUID()}`, `ben-${crypto.randomUUID()}`];
  const phone = await stage.connect(one, user, "phone");
  const laptop = await stage.connect(two, user, "laptop");
  const bob = await stage.connect(one, other);
  const token = await stage.issuer.token({ sub: user });
  const mine = `http://127.0.0.1:${one.port}/v1/sessions`;
  const listed = await call(mine, { token });
  expect(listed.status).toBe(200);
  const { sessions } = listed.body as { sessions: Record<string, unknown>[] };
  expect(new Set(sessions.map(({ device }) => device))).toEqual(new Set(["laptop", "phone"]));
  const laptops = sessions.find(({ device }) => device === "laptop");
  expect(laptops).toMatchObject({
    session: welcomeOf(laptop).session,
    conn: welcomeOf(laptop).conn,
    edge: "edge-2",
    sinceMs: expect.any(Number),
    lastActiveMs: expect.any(Number),
  });
  // Another's session looks like none.
  const foreign = `${mine}/${welcomeOf(bob).session}`;
  expect((await call(foreign, { token, method: "DELETE" })).status).toBe(404);
  const url = `${mine}/${welcomeOf(laptop).session}`;
  expect((await call(url, { token, method: "DELETE" })).status).toBe(204);
  await waitFor(() => laptop.closeCode === 4403, { what: "its end on the other edge" });
  expect((await call(url, { token, method: "DELETE" })).status).toBe(404);
  const ended = { session: welcomeOf(laptop).session, attempt: "5", device: "laptop" };
  expect(welcomeOf(await stage.connectWith(two, user, ended)).resumed).toBe(false);

  const admin = `http://127.0.0.1:${one.edge.adminPort}/v1/users`;
  const operator = await stage.issuer.token({ sub: "olga", scope: "other millrace:admin" });
  expect((await call(`${admin}/${other}/sessions`, { token })).status).toBe(403);
  expect((await call(`${admin}/${other}/sessions`, {})).status).toBe(401);
  const bobs = await call(`${admin}/${other}/sessions`, { token: operator });
  expect(bobs.body).toMatchObject({ sessions: [{ session: welcomeOf(bob).session }] });
  const end = `${admin}/${other}/sessions/${welcomeOf(bob).session}`;
  expect((await call(end, { token: operator, method: "DELETE" })).status).toBe(204);
  await waitFor(() => bob.closeCode === 4403, { what: "his end" });
  expect((await phone.request({ t: "ping" })).t).toBe("pong");
});

it("What the rights no longer cover is not restored, and said", async () => {
  const edge = await stage.start("edge-1");
  const alice = await stage.connect(edge, "alice");
  const { session } = welcomeOf(alice);
  await subscribe(alice, "room:kept", "live");
  await subscribe(alice, "room:lost", "live");
  await whenSaved(session, 2);
  const token = await stage.issuer.token({
    sub: "alice",
    millrace: { read: ["room:kept"], write: [] },
  });
  const back = await stage.connectByToken(edge, token, { session, attempt: "1", restore: "1" });
  await back.next(({ t, c }) => t === "live" && c === "room:kept", "what is kept");
  expect(back.frames.find(({ t }) => t === "unsubd")).toMatchObject({
    c: "room:lost",
    code: "forbidden",
  });
});

it("A signal that was lost is made up for when the session is looked at", async () => {
  const one = await stage.start("edge-1", { limits: LIMITS_QUICK });
  const alice = await stage.connect(one, "alice");
  const { session } = welcomeOf(alice);
  await command("HSET", keyOf(session), "conn", "c_another", "edge", "edge-9~x");
  await waitFor(() => alice.closeCode === 4409, { what: "its end" });
});

it("A session that never subscribed lives 60 s, and as long as its connection", async () => {
  const one = await stage.start("edge-1", { limits: LIMITS_QUICK });
  const [visitor, reader] = [await stage.connect(one, "alice"), await stage.connect(one, "alice")];
  const [unused, used] = [welcomeOf(visitor).session, welcomeOf(reader).session];
  const livesMs = async (session: string): Promise<number> =>
    Number(await command("PTTL", keyOf(session)));
  await subscribe(reader, "room:1", "live");
  await reader.request({ t: "unsub", c: "room:1" });
  await waitFor(async () => (await livesMs(used)) > 60_000, { what: "a session that is kept" });
  expect(await livesMs(unused)).toBeLessThanOrEqual(60_000);
  // Its connection renews it.
  await command("PEXPIRE", keyOf(unused), "5000");
  await waitFor(async () => (await livesMs(unused)) > 50_000, { what: "a touch" });
  for (const client of [visitor, reader]) client.terminate();
  await waitFor(async () => (await command("HGET", keyOf(used), "conn")) === "", {
    what: "an end",
  });
  await waitFor(async () => (await command("HGET", keyOf(unused), "conn")) === "", {
    what: "the other's end",
  });
  expect(await livesMs(unused)).toBeLessThanOrEqual(60_000);
  expect(await livesMs(used)).toBeGreaterThan(23 * 3_600_000);
  expect(Number(await command("PTTL", "mr:sessions:{alice}"))).toBeGreaterThan(23 * 3_600_000);
  await command("DEL", keyOf(unused));
  const late = await stage.connectWith(one, "alice", { session: unused, attempt: "1" });
  expect(welcomeOf(late)).toMatchObject({ resumed: false });
});

it("With a Redis that hangs everybody is let in, with a session that is not resumed", async () => {
  const edge = await stage.start("edge-1", { limits: LIMITS_QUICK });
  const alice = await stage.connect(edge, "alice", "phone");
  const { session } = welcomeOf(alice);
  redis.pause();
  let back: RawClient;
  try {
    back = await stage.connectWith(edge, "alice", { ...query(session, "1"), restore: "1" });
    expect(welcomeOf(back).resumed).toBe(false);
    await publish(back, "room:a", ["m1"]);
    const asked = await subscribe(back, "room:a", "acked");
    expect(asked).toMatchObject({ t: "err", code: "unavailable" });
    expect(asked.retryMs).toBeGreaterThan(0);
  } finally {
    redis.resume();
  }
  // What Redis did not hear of at the connect, it hears of later.
  const { session: newer } = welcomeOf(back);
  await waitFor(async () => (await connOf(newer)) === welcomeOf(back).conn, {
    what: "the session in Redis",
  });
});

it("A flushed Redis, or a new one, makes no acknowledged position unknown for long, and never none", async () => {
  const c = "room:acked";
  const one = await stage.start("edge-1");
  const writer = await stage.connect(one, "writer");
  await publish(writer, c, ["m1", "m2", "m3"]);
  const phone = await stage.connect(one, "alice", "phone");
  await subscribe(phone, c, "earliest");
  await whenHas(phone, c, ["m1", "m2", "m3"]);
  const [first, second] = phone.messages(c);
  expect((await phone.request({ t: "ack", c, pos: first?.pos })).t).toBe("ackd");
  // The newest one is not in the topic yet.
  expect((await phone.request({ t: "ack", c, pos: second?.pos })).t).toBe("ackd");
  await command("FLUSHALL");
  const two = await stage.start("edge-2");
  for (const edge of [one, two]) {
    const back = await stage.connect(edge, "alice", "phone");
    expect(await ackedOf(back, c)).toMatchObject({ t: "subd", pos: second?.pos });
    await whenHas(back, c, ["m3"]);
    const never = await stage.connect(edge, "alice", "tablet");
    expect(await ackedOf(never, c)).toMatchObject({ t: "subd" });
    expect(never.messages(c)).toEqual([]);
  }
  await redis.kill();
  await redis.restart();
  await command("FLUSHALL");
  const later = await stage.connect(two, "alice", "phone");
  expect(await ackedOf(later, c)).toMatchObject({ t: "subd", pos: second?.pos });
});

// C-013
it("Any edge can resume any client", async () => {
  const c = "room:hops";
  const edges = [
    await stage.spawn("edge-1"),
    await stage.spawn("edge-2"),
    await stage.spawn("edge-3"),
  ];
  const writerEdge = await stage.spawn("edge-4");
  const writer = await stage.connect(writerEdge, "writer");
  const written: string[] = [];
  const write = async (count: number): Promise<void> => {
    const bodies = Array.from({ length: count }, (_, index) => `m${written.length + index}`);
    written.push(...bodies);
    await publish(writer, c, bodies);
  };
  const lives: RawClient[] = [];
  const seen = (): number => lives.flatMap((life) => life.messages(c)).length;
  let position: string | undefined;
  let session: { id: string; attempt: number } | undefined;
  for (const edge of edges) {
    const wish = session && { session: session.id, attempt: String(++session.attempt) };
    const client = await stage.connectWith(edge, "alice", wish ?? {});
    const welcome = welcomeOf(client);
    expect(welcome.resumed).toBe(session !== undefined);
    session ??= { id: welcome.session, attempt: 0 };
    await subscribe(client, c, position === undefined ? "live" : { after: position });
    lives.push(client);
    await write(20);
    await waitFor(() => seen() >= written.length, { what: "what was written until now" });
    await edge.kill();
    await write(5);
    await waitFor(() => client.closeCode !== undefined, { what: "the end of its edge" });
    position = client.position(c);
  }
  await writerEdge.kill();
  await command("FLUSHALL");
  const last = await stage.spawn("edge-1");
  const { id, attempt } = must(session, "a session");
  const back = await stage.connectWith(last, "alice", { session: id, attempt: `${attempt + 1}` });
  expect(welcomeOf(back).resumed).toBe(false);
  await subscribe(back, c, { after: position });
  lives.push(back);
  await waitFor(() => seen() >= written.length, { what: "all" });
  expect((await stage.judge({ alice: lives })).offences).toEqual([]);
});

function welcomeOf(client: RawClient): DownJson & { readonly session: string } {
  const welcome = must(client.frames[0], "a welcome");
  return { ...welcome, session: must(welcome.session, "a session") };
}

function query(session: string, attempt: string): Record<string, string> {
  return { session, attempt, device: "phone" };
}

/** The same URL without an upgrade. */
async function ask(
  edge: EdgePlace,
  user: string,
  wish: Readonly<Record<string, string>>,
): Promise<number> {
  const token = await stage.issuer.token({ sub: user });
  const url = `${edge.ws.replace("ws:", "http:")}?${new URLSearchParams(wish)}`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  await response.body?.cancel();
  return response.status;
}

async function call(
  url: string,
  wish: { readonly token?: string; readonly method?: string },
): Promise<{ readonly status: number; readonly body: unknown }> {
  const { token, method = "GET" } = wish;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url, { method, headers });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

/** As a client does that was told `unavailable`. */
function ackedOf(client: RawClient, c: string): Promise<DownJson> {
  return waitFor(
    async () => {
      const answer = await subscribe(client, c, "acked");
      return answer.code === "unavailable" ? undefined : answer;
    },
    { what: "an answer", timeoutMs: 30_000 },
  );
}

/** On a connection of its own, as the server may be another one by now. */
async function command(word: string, ...words: string[]): Promise<unknown> {
  const connection = new Redis(redis.url);
  try {
    return await connection.call(word, ...words);
  } finally {
    connection.disconnect();
  }
}

function keyOf(session: string): string {
  return `mr:session:{alice}:${session}`;
}

async function connOf(session: string): Promise<unknown> {
  return command("HGET", keyOf(session), "conn");
}

async function whenSaved(session: string, subscriptions: number): Promise<void> {
  const isSaved = async (): Promise<boolean> =>
    Number(await command("HLEN", `${keyOf(session)}:subs`)) === subscriptions;
  await waitFor(isSaved, { what: "the subscriptions of the session" });
}
