import { createHash } from "node:crypto";
import { connect } from "node:net";
import { must } from "@millrace/runtime";
import { parsePosition, partitionOf } from "@millrace/schemas";
import { type EdgeProcess, RedisServer, redisCommand, waitFor, withAdmin } from "@millrace/testkit";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { WebSocket } from "ws";
import { OPENAPI, OPENAPI_TEXT } from "./http/openapi.ts";
import { LIMITS } from "./limits.ts";
import { EdgeStage, bodiesFrom, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import {
  type HttpReply,
  type HttpWish,
  type PageJson,
  ask,
  messagesPath,
  seenAnswers,
} from "./testing/http-client.ts";
import type { DownJson } from "./testing/raw-client.ts";

const PARTITIONS = 12;
const ORIGIN = "https://allowed.example";
const { bodyBytes, frameBytes } = LIMITS.announced;

let stage: EdgeStage;
let edge: EdgeProcess;
let brokers: string[];
let redis: RedisServer;
let token: string;

// One edge for all: what a test needs of its own is a conversation.
beforeAll(async () => {
  brokers = inject("kafkaBrokers");
  redis = await RedisServer.start();
  stage = await EdgeStage.open({ brokers, redisUrl: redis.url, env: { EDGE_ORIGINS: ORIGIN } });
  edge = await stage.spawn("edge-1");
  token = await stage.issuer.token();
});

afterAll(async () => {
  await stage.close();
  await redis.stop();
});

function request(path: string, wish: HttpWish = {}): Promise<HttpReply> {
  return ask(edge.port, path, { token, ...wish });
}

async function page(c: string, query = ""): Promise<PageJson> {
  const { status, text } = await request(messagesPath(c, query));
  expect([status, text.slice(0, 200)]).toEqual([200, text.slice(0, 200)]);
  return JSON.parse(text) as PageJson;
}

function bodiesOf({ messages }: PageJson): unknown[] {
  return messages.map(({ body }) => body);
}

function omit(frame: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(frame).filter(([name]) => !names.includes(name)));
}

async function fill(c: string, bodies: readonly string[]): Promise<void> {
  await publish(await stage.connect(edge, "alice"), c, bodies);
}

describe("history", () => {
  it("holds the messages as they were delivered, but for what only delivery has", async () => {
    const c = "room:same as delivered/?#%";
    const client = await stage.connect(edge, "alice");
    await subscribe(client, c, "live");
    await client.request({ t: "pub", c, key: "k1", body: "one", meta: { lang: "en" } });
    const ref = (await client.request({ t: "pub", c, body: "two" })).pos;
    await client.request({ t: "pub", c, body: "three", ref, op: "edit", type: "text/html" });
    await whenHas(client, c, ["one", "two", "three"]);
    const delivered = client.messages(c).map((frame) => omit(frame, ["t", "prev"]));
    const { messages, pos, head, gap } = await page(c);
    expect(messages).toEqual(delivered);
    expect([pos, gap]).toEqual([head, undefined]);
  });

  it("pages back until it meets what was paged forward, without a hole or a repeat", async () => {
    const c = "room:paging";
    const all = bodiesFrom(0, 250);
    await fill(c, all);
    await fill("room:neighbour", bodiesFrom(0, 20));
    const newest = await page(c, "?limit=30");
    expect(bodiesOf(newest)).toEqual(all.slice(220));
    expect(bodiesOf(await page(c))).toEqual(all.slice(150));
    const back: unknown[] = [];
    for (let last = newest; last.messages.length > 0;) {
      back.unshift(...bodiesOf(last));
      const before = String(last.messages[0]?.["pos"]);
      last = await page(c, `?limit=30&before=${before}`);
      // Reading on behind the page begins with the message that it was asked before.
      const next = await page(c, `?limit=1&after=${last.pos}`);
      expect(next.messages[0]?.["pos"]).toBe(before);
    }
    expect(back).toEqual(all);
    const forward: unknown[] = [];
    const [first] = (await page(c, `?before=${newest.head}&limit=1000`)).messages;
    for (let after = `${String(first?.["pos"]).replace(/\d+$/, "")}0`; ;) {
      const next = await page(c, `?limit=100&after=${after}`);
      forward.push(...bodiesOf(next));
      after = next.pos;
      if (next.pos === next.head) break;
    }
    expect(forward).toEqual(all);
    expect((await page(c, `?after=${newest.head}`)).messages).toEqual([]);
  });

  it("says of an empty conversation where it begins, and that can be subscribed after", async () => {
    const c = "room:nothing yet";
    const { messages, pos, head } = await page(c);
    expect([messages, head]).toEqual([[], pos]);
    const client = await stage.connect(edge, "alice");
    await subscribe(client, c, { after: pos });
    await publish(client, c, ["the first"]);
    await whenHas(client, c, ["the first"]);
    expect(client.frames.map(({ t }) => t)).not.toContain("gap");
    expect(bodiesOf(await page(c, `?after=${pos}`))).toEqual(["the first"]);
  });

  it("has a message as soon as it is acknowledged, on any edge", async () => {
    const c = "room:at once";
    const other = await stage.spawn("edge-2");
    const client = await stage.connect(edge, "alice");
    for (const body of bodiesFrom(0, 50)) {
      await publish(client, c, [body]);
      const { json } = await ask(other.port, messagesPath(c, "?limit=1"), { token });
      expect(bodiesOf(json as unknown as PageJson)).toEqual([body]);
    }
    await other.kill();
  });

  it("tells what can't be read any more as a gap, and goes on behind it", async () => {
    const c = "room:expired";
    const all = bodiesFrom(0, 40);
    await fill(c, all);
    const { messages } = await page(c);
    const pos = (index: number): string => String(messages[index]?.["pos"]);
    const partition = partitionOf(Buffer.from(c), PARTITIONS);
    const { topic } = stage;
    await withAdmin(brokers, async (admin) => {
      await admin.fetchTopicOffsets(topic);
      const offset = String(parsePosition(pos(19))?.offset);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset }] });
    });
    const expired = await page(c, `?after=${pos(4)}`);
    const gap = { after: pos(4), pos: pos(19), reason: "expired", missed: 15 };
    expect([bodiesOf(expired), expired.gap]).toEqual([all.slice(20), gap]);
    const exact = await page(c, `?after=${pos(19)}&limit=5`);
    expect([bodiesOf(exact), exact.gap, exact.pos]).toEqual([
      all.slice(20, 25),
      undefined,
      pos(24),
    ]);
    expect(bodiesOf(await page(c))).toEqual(all.slice(20));
    const before = await page(c, `?before=${pos(3)}`);
    expect([before.messages, before.pos]).toEqual([[], pos(19)]);
    const foreign = pos(30).replace(/^[^.]+/, "AAAAAAAA");
    const recreated = await page(c, `?after=${foreign}&limit=1`);
    expect([bodiesOf(recreated), recreated.pos]).toEqual([["m20"], pos(20)]);
    expect(recreated.gap).toEqual({ ...gap, after: foreign, reason: "recreated", missed: null });
    const older = await page(c, `?before=${foreign}`);
    expect([older.messages, older.gap?.reason, older.pos]).toEqual([[], "recreated", pos(19)]);
    const beyond = pos(39).replace(/\d+$/, "999999");
    const truncated = await page(c, `?after=${beyond}`);
    expect(truncated).toMatchObject({ messages: [], pos: truncated.head });
    expect(truncated.gap).toEqual({
      ...gap,
      after: beyond,
      pos: truncated.head,
      reason: "truncated",
      missed: null,
    });
  });

  it("ends a page before it becomes too large, and says where to go on", async () => {
    const c = "room:large";
    const all = Array.from({ length: 100 }, (_, index) => `${index} `.padEnd(bodyBytes, "x"));
    await fill(c, all);
    const newest = await request(messagesPath(c, "?limit=1000"));
    expect(newest.text.length).toBeLessThan(LIMITS.historyBytesMax + 1_000);
    const found = bodiesOf(JSON.parse(newest.text) as PageJson);
    expect(found.length).toBeGreaterThan(50);
    expect(found).toEqual(all.slice(all.length - found.length));
    const [first] = (await page(c, "?limit=1")).messages;
    const begin = `${String(first?.["pos"]).replace(/\d+$/, "")}0`;
    const one = await page(c, `?after=${begin}&limit=1000`);
    const two = await page(c, `?after=${one.pos}&limit=1000`);
    expect([...bodiesOf(one), ...bodiesOf(two)]).toEqual(all);
    expect([two.pos === two.head, one.pos === one.head]).toEqual([true, false]);
  });

  it("refuses what it can't give", async () => {
    const c = "room:refused";
    const { pos } = await page(c);
    const [epoch = "", partition = ""] = pos.split(".");
    const other = `${epoch}.${(Number(partition) + 1) % PARTITIONS}.0`;
    const refused: [string, number, string][] = [
      [messagesPath(c, `?after=${pos}&before=${pos}`), 400, "bad-request"],
      [messagesPath(c, "?limit=0"), 400, "bad-request"],
      [messagesPath(c, "?limit=1001"), 400, "bad-request"],
      [messagesPath(c, "?limit=1e2"), 400, "bad-request"],
      [messagesPath(c, "?limit="), 400, "bad-request"],
      [messagesPath(c, "?limit=1&limit=2"), 400, "bad-request"],
      [messagesPath(c, "?token=x"), 400, "bad-request"],
      [messagesPath(c, "?after=here"), 400, "bad-position"],
      [messagesPath(c, "?before="), 400, "bad-position"],
      [messagesPath(c, `?after=${other}`), 400, "bad-position"],
      [messagesPath(c, `?before=${other}`), 400, "bad-position"],
      [messagesPath(`room:\u0007`), 400, "bad-conversation"],
      ["/v1/conversations/room%3/messages", 400, "bad-conversation"],
      ["/v1/conversations/%ED%A0%BD/messages", 400, "bad-conversation"],
      [messagesPath("dm:bob:carol"), 403, "forbidden"],
      [messagesPath("sys:news"), 403, "forbidden"],
      [messagesPath("inbox:bob"), 403, "forbidden"],
      ["/v1/conversations//messages", 404, "not-found"],
      ["/v1/conversations/a/b/messages", 404, "not-found"],
      ["/v1/elsewhere", 404, "not-found"],
      ["/v1/connect?attempt=x", 400, "bad-request"],
    ];
    for (const [path, status, error] of refused) {
      const reply = await request(path);
      expect([path, reply.status, reply.json?.["error"]]).toEqual([path, status, error]);
      expect(reply.json).toMatchObject({ message: expect.any(String) as string });
    }
    expect((await page("dm:alice:bob")).messages).toEqual([]);
    const narrow = await stage.issuer.token({ millrace: { read: ["room:a"], write: ["*"] } });
    expect((await request(messagesPath(c), { token: narrow })).status).toBe(403);
  });
});

describe("publishing", () => {
  it("appends what a frame would have appended, and delivers it alike", async () => {
    const c = "room:posted";
    const client = await stage.connect(edge, "alice");
    await subscribe(client, c, "live");
    const ref = (await page(c)).pos;
    const posted = { body: "one", type: "text/html", meta: { a: "b" }, ref, op: "edit", key: "k1" };
    const reply = await request(messagesPath(c), { body: { ...posted, unknown: 7, id: "x" } });
    expect(reply.status).toBe(201);
    expect(reply.json).toEqual({
      pos: expect.any(String) as string,
      ts: expect.any(Number) as number,
    });
    await whenHas(client, c, ["one"]);
    const [delivered] = client.messages(c);
    expect(delivered).toMatchObject({ ...posted, ...reply.json, from: "alice" });
    expect((await page(c)).messages).toEqual([omit(must(delivered, "a message"), ["t", "prev"])]);
    const plain = await request(messagesPath("dm:alice:bob"), { body: { body: "" } });
    expect(plain.status).toBe(201);
    expect((await page("dm:alice:bob")).messages).toMatchObject([{ body: "", type: "text/plain" }]);
  });

  it("appends a key once, wherever it stands, and says so to whoever comes again", async () => {
    const c = "room:keys";
    const key = " a~key ".trim();
    const header = { "idempotency-key": key };
    const first = await request(messagesPath(c), { body: { body: "one" }, headers: header });
    expect(first.status).toBe(201);
    const again: HttpWish[] = [
      { body: { body: "one" }, headers: header },
      { body: { body: "one", key } },
      { body: { body: "one", key }, headers: header },
    ];
    for (const wish of again) {
      const reply = await request(messagesPath(c), wish);
      expect([reply.status, reply.json]).toEqual([201, { ...first.json, dup: true }]);
    }
    const client = await stage.connect(edge, "alice");
    const framed = await client.request({ t: "pub", c, key, body: "one" });
    expect(framed).toMatchObject({ t: "pubd", dup: true, ...first.json });
    const racing = Array.from({ length: 20 }, () =>
      request(messagesPath(c), { body: { body: "raced", key: "race" } }),
    );
    const replies = await Promise.all(racing);
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 201));
    expect(new Set(replies.map(({ json }) => json?.["pos"])).size).toBe(1);
    expect(replies.filter(({ json }) => json?.["dup"] === undefined)).toHaveLength(1);
    expect(bodiesOf(await page(c))).toEqual(["one", "raced"]);
    const different = { body: { body: "one", key: "other" }, headers: header };
    expect((await request(messagesPath(c), different)).json?.["error"]).toBe("bad-key");
  });

  it("refuses with the code that a frame would get, under the status of the table", async () => {
    const c = "room:bad posts";
    const refused: [HttpWish["body"], number, string][] = [
      ["", 400, "bad-frame"],
      ["not JSON", 400, "bad-frame"],
      ["[]", 400, "bad-frame"],
      ["null", 400, "bad-frame"],
      ['"body"', 400, "bad-frame"],
      ['[{"body":"x"}]', 400, "bad-frame"],
      [Buffer.from('\uFEFF{"body":"x"}'), 400, "bad-frame"],
      [Buffer.from([...Buffer.from('{"body":"'), 0xed, 0xa0, 0xbd, 0x22, 0x7d]), 400, "bad-frame"],
      [`{"body":${"[".repeat(60_000)}`, 400, "bad-frame"],
      [{}, 400, "bad-frame"],
      [{ body: 7 }, 400, "bad-frame"],
      [{ body: null }, 400, "bad-frame"],
      [{ body: "x", type: "text" }, 400, "bad-frame"],
      [{ body: "x", meta: { a: 1 } }, 400, "bad-frame"],
      [{ body: "x", op: "edit" }, 400, "bad-frame"],
      [{ body: "x", to: "bob" }, 400, "bad-frame"],
      [{ body: "x", behind: 1 }, 400, "bad-frame"],
      [{ body: "x", c: "room:other" }, 400, "bad-frame"],
      [{ body: "x", ref: "here" }, 400, "bad-position"],
      [{ body: "x", key: "é" }, 400, "bad-key"],
      [{ body: "x", key: "" }, 400, "bad-key"],
      ['{"body":"\\ud83d"}', 400, "bad-body"],
      [{ body: "x".repeat(bodyBytes + 1) }, 413, "body-too-large"],
      [{ body: "€".repeat(bodyBytes / 3 + 1) }, 413, "body-too-large"],
      [{ body: "x", meta: { a: "x".repeat(1_024) } }, 413, "body-too-large"],
      ["x".repeat(frameBytes + 1), 413, "body-too-large"],
      ["x".repeat(20 * frameBytes), 413, "body-too-large"],
    ];
    for (const [body, status, error] of refused) {
      const reply = await request(messagesPath(c), { method: "POST", body: must(body, "a body") });
      const what = JSON.stringify(body).slice(0, 40);
      expect([what, reply.status, reply.json?.["error"]]).toEqual([what, status, error]);
    }
    const good = { body: { body: "x" } };
    const types = ["text/plain", "application/jsonp", "multipart/form-data; boundary=x"];
    for (const type of types) {
      const reply = await request(messagesPath(c), { ...good, headers: { "content-type": type } });
      expect([type, reply.status]).toEqual([type, 415]);
    }
    const packed = { ...good, headers: { "content-encoding": "gzip" } };
    expect((await request(messagesPath(c), packed)).status).toBe(415);
    for (const id of ["sys:news", "inbox:alice", "dm:bob:carol"]) {
      const reply = await request(messagesPath(id), good);
      expect([id, reply.status, reply.json?.["error"]]).toEqual([id, 403, "forbidden"]);
    }
    const reader = await stage.issuer.token({ millrace: { read: ["*"], write: [] } });
    expect((await request(messagesPath(c), { ...good, token: reader })).status).toBe(403);
    const charset = { "content-type": "Application/JSON; charset=utf-8" };
    expect((await request(messagesPath(c), { ...good, headers: charset })).status).toBe(201);
    expect(bodiesOf(await page(c))).toEqual(["x"]);
  });

  it("is not harmed by clients that go away in the middle, or send more than was read", async () => {
    const c = "room:aborted";
    const head = (length: number): string =>
      `POST ${messagesPath(c)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
    const body = JSON.stringify({ body: "whole" });
    const leaving = Array.from({ length: 100 }, (_, index) => {
      const whole = head(Buffer.byteLength(body)) + body;
      return sendAndReset(whole.slice(0, whole.length - (index % 30)), index % 7);
    });
    await Promise.all(leaving);
    for (let index = 0; index < 20; index++) {
      const scan = new AbortController();
      const url = `${edge.http}${messagesPath(c, "?limit=1000")}`;
      const gone = fetch(url, {
        headers: { authorization: `Bearer ${token}` },
        signal: scan.signal,
      });
      setTimeout(() => scan.abort(), index % 5);
      await gone.then((reply) => reply.text()).catch(() => undefined);
    }
    // Both parts of one connection: what was not wanted of the first is not taken for the second.
    const large = "x".repeat(2 * frameBytes);
    const cut = 3 * (frameBytes / 2);
    const parts = [
      head(large.length) + large.slice(0, cut),
      large.slice(cut) + head(Buffer.byteLength(body)) + body,
    ];
    const answers = await converse(parts);
    expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 413", "HTTP/1.1 201"]);
    const found = bodiesOf(await page(c, "?limit=1000"));
    expect(new Set(found)).toEqual(new Set(["whole"]));
    expect(edge.child.hasExited).toBe(false);
  });
});

describe("sessions", () => {
  it("are listed and ended by their user alone, under the same checks as everything", async () => {
    const walker = await stage.issuer.token({ sub: `walker-${crypto.randomUUID()}` });
    const client = await stage.connectByToken(edge, walker, { device: "phone" });
    const path = "/v1/sessions";
    const session = client.frames[0]?.session ?? "";
    const listed = await ask(edge.port, path, { token: walker });
    expect([listed.status, listed.json]).toEqual([
      200,
      { sessions: [expect.objectContaining({ session, device: "phone", edge: "edge-1" })] },
    ]);
    const foreign = { headers: { origin: "https://elsewhere.example" } };
    for (const [of, method] of [
      [path, "GET"],
      [`${path}/${session}`, "DELETE"],
    ] as const) {
      expect((await ask(edge.port, of, { method })).status).toBe(401);
      expect((await ask(edge.port, of, { method, token: walker, ...foreign })).status).toBe(403);
      expect((await ask(edge.port, `${of}?token=x`, { method, token: walker })).status).toBe(400);
    }
    const end = { token: walker, method: "DELETE" };
    expect((await ask(edge.port, `${path}/${session}`, end)).status).toBe(204);
    await waitFor(() => client.closeCode === 4403, { what: "its end" });
    expect((await ask(edge.port, `${path}/${session}`, end)).status).toBe(404);
    expect((await ask(edge.port, path, { token: walker })).json).toEqual({ sessions: [] });
  });
});

describe("tickets", () => {
  it("opens one connection, as the user who bought it, with that token's rights", async () => {
    const rights = { read: ["room:mine"], write: ["room:mine"] };
    const carol = await stage.issuer.token({ sub: "carol", millrace: rights });
    const ticket = await buy({ token: carol });
    const path = `/v1/connect?ticket=${ticket}&device=phone`;
    // Asking whether it would be let in takes nothing.
    for (let index = 0; index < 3; index++) {
      expect((await ask(edge.port, path)).status).toBe(204);
    }
    expect((await upgrade(`${path}&attempt=x`)).status).toBe(400);
    expect((await upgrade(path, { protocols: ["other"] })).status).toBe(400);
    const { status, socket, frames } = await upgrade(path);
    expect(status).toBe(101);
    await waitFor(() => frames.length > 0, { what: "a welcome" });
    expect(frames[0]).toMatchObject({ t: "welcome", user: "carol", device: "phone" });
    socket.send('{"t":"sub","id":1,"c":"room:other"}');
    socket.send('{"t":"sub","id":2,"c":"room:mine"}');
    await waitFor(() => frames.some(({ id }) => id === 2), { what: "the second answer" });
    const answers = frames.filter(({ id }) => id !== undefined);
    expect(answers.map(({ t, code }) => [t, code])).toEqual([
      ["err", "forbidden"],
      ["subd", undefined],
    ]);
    socket.terminate();
    expect((await upgrade(path)).status).toBe(401);
    const used = await ask(edge.port, path);
    expect([used.status, used.headers.get("www-authenticate")]).toEqual([
      401,
      expect.stringContaining("invalid_token") as string,
    ]);
  });

  it("lets one of two in that use the same at the same time", async () => {
    const other = await stage.spawn("edge-3");
    for (let round = 0; round < 20; round++) {
      const path = `/v1/connect?ticket=${await buy()}`;
      const ports = [edge.port, other.port, edge.port, other.port];
      const raced = await Promise.all(ports.map((port) => upgrade(path, { port })));
      expect(raced.filter(({ status }) => status === 101)).toHaveLength(1);
      expect(raced.filter(({ status }) => status === 401)).toHaveLength(3);
      for (const { socket } of raced) socket.terminate();
    }
    await other.kill();
  });

  it("is good for the page that bought it, and for no other", async () => {
    const headers = { origin: ORIGIN };
    const ofPage = `/v1/connect?ticket=${await buy({ headers })}`;
    expect((await upgrade(ofPage)).status).toBe(401);
    expect((await upgrade(ofPage, { headers: { origin: "https://evil.example" } })).status).toBe(
      403,
    );
    const ofNone = `/v1/connect?ticket=${await buy()}`;
    expect((await upgrade(ofNone, { headers })).status).toBe(401);
    // None of this has used them up.
    for (const [path, wish] of [
      [ofPage, { headers }],
      [ofNone, {}],
    ] as const) {
      const { status, socket } = await upgrade(path, wish);
      expect(status).toBe(101);
      socket.terminate();
    }
  });

  it("ends with the token that bought it, before and after it is used", async () => {
    const expS = Math.floor(Date.now() / 1_000) - 3;
    const short = await stage.issuer.token({ exp: expS });
    const [early, late] = [await buy({ token: short }), await buy({ token: short })];
    const { status, socket } = await upgrade(`/v1/connect?ticket=${early}`);
    expect(status).toBe(101);
    const code = await new Promise((resolve) => socket.on("close", resolve));
    expect(code).toBe(4451);
    expect((await upgrade(`/v1/connect?ticket=${late}`)).status).toBe(401);
  });

  it("stands in Redis under its hash, for half a minute, and can be used up to its end", async () => {
    const ticket = await buy();
    const hash = createHash("sha256").update(ticket).digest("base64url");
    const key = `mr:ticket:{${hash}}`;
    const left = Number((await redisCommand(redis.port, "PTTL", key)).slice(1));
    expect(left).toBeGreaterThan(25_000);
    expect(left).toBeLessThanOrEqual(30_000);
    expect(await redisCommand(redis.port, "GET", key)).not.toContain(ticket);
    await redisCommand(redis.port, "PEXPIRE", key, "1");
    await waitFor(async () => (await redisCommand(redis.port, "EXISTS", key)) === ":0\r\n", {
      what: "the end of the ticket",
    });
    const path = `/v1/connect?ticket=${ticket}`;
    expect([(await upgrade(path)).status, (await ask(edge.port, path)).status]).toEqual([401, 401]);
  });

  it("is neither sold nor used while Redis is away, and messages flow all the same", async () => {
    const path = `/v1/connect?ticket=${await buy()}`;
    redis.pause();
    const away = await request("/v1/tickets", { method: "POST" });
    expect([away.status, away.json?.["error"]]).toEqual([503, "unavailable"]);
    expect(away.headers.get("retry-after")).toBe("1");
    expect(away.json?.["retryMs"]).toBe(1_000);
    expect((await upgrade(path)).status).toBe(503);
    expect((await ask(edge.port, path)).status).toBe(503);
    const c = "room:without redis";
    const posted = await request(messagesPath(c), { body: { body: "x" } });
    expect([posted.status, bodiesOf(await page(c))]).toEqual([201, ["x"]]);
    redis.resume();
    await waitFor(async () => (await ask(edge.port, path)).status === 204, { what: "Redis again" });
    const { status, socket } = await upgrade(path);
    expect(status).toBe(101);
    socket.terminate();
  });
});

describe("every request", () => {
  const paths: [string, string][] = [
    ["POST", "/v1/tickets"],
    ["GET", messagesPath("room:any")],
    ["POST", messagesPath("room:any")],
  ];

  it("needs a token in the header, and is told what is wrong with it", async () => {
    const stale = await stage.issuer.token({ exp: Math.floor(Date.now() / 1_000) - 60 });
    const elsewhere = await stage.issuer.token({ aud: "billing" });
    const ticket = (await request("/v1/tickets", { method: "POST" })).json?.["ticket"];
    for (const [method, path] of paths) {
      const body = method === "POST" ? { body: { body: "x" } } : {};
      const bare = await ask(edge.port, path, { method, ...body });
      expect([path, bare.status, bare.json?.["error"]]).toEqual([path, 401, "unauthorized"]);
      expect(bare.headers.get("www-authenticate")).toBe('Bearer realm="millrace"');
      const late = await ask(edge.port, path, { method, ...body, token: stale });
      expect(late.headers.get("www-authenticate")).toContain("the token has expired");
      expect((await ask(edge.port, path, { method, ...body, token: elsewhere })).status).toBe(403);
      const bought = await ask(edge.port, `${path}?ticket=${String(ticket)}`, { method, ...body });
      expect(bought.status).toBe(401);
      const asked = await ask(edge.port, `${path}?access_token=${token}`, { method, ...body });
      expect(asked.status).toBe(400);
    }
  });

  it("may come from a page of an allowed origin, which can read the answer", async () => {
    const headers = { origin: ORIGIN };
    const answers = await Promise.all([
      request(messagesPath("room:any"), { headers }),
      request(messagesPath("room:any"), { headers, body: { body: "x" } }),
      request("/v1/tickets", { headers, method: "POST" }),
      request("/v1/elsewhere", { headers }),
      request(messagesPath("room:any"), { headers, method: "DELETE" }),
      ask(edge.port, "/v1/tickets", { headers, method: "POST" }),
      ask(edge.port, "/v1/connect", { headers }),
      request("/v1/connect", { headers }),
    ]);
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toEqual([200, 201, 200, 404, 405, 401, 401, 204]);
    for (const { headers: got } of answers) {
      expect(got.get("access-control-allow-origin")).toBe(ORIGIN);
      expect(got.get("vary")).toBe("Origin");
      expect(got.get("access-control-expose-headers")).toBe("WWW-Authenticate, Retry-After");
      expect(got.get("cache-control")).toBe("no-store");
    }
    const bare = await request(messagesPath("room:any"));
    expect(bare.headers.get("access-control-allow-origin")).toBeNull();
    expect(bare.headers.get("vary")).toBe("Origin");
  });

  it("is asked about first by browsers, and refused to pages of other origins", async () => {
    const wish = { method: "OPTIONS", headers: { origin: ORIGIN } };
    for (const [path, methods] of [
      ["/v1/tickets", "POST, OPTIONS"],
      ["/v1/connect", "GET, OPTIONS"],
      [messagesPath("room:any"), "GET, POST, OPTIONS"],
    ] as const) {
      const reply = await ask(edge.port, path, wish);
      expect([reply.status, reply.text]).toEqual([204, ""]);
      expect(reply.headers.get("access-control-allow-methods")).toBe(methods);
      expect(reply.headers.get("allow")).toBe(methods);
      const names = reply.headers.get("access-control-allow-headers");
      expect(names).toBe("Authorization, Content-Type, Idempotency-Key");
      expect(reply.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    }
    const more = [
      ["OPTIONS", "/v1/tickets"],
      ["GET", "/v1/connect"],
      ["GET", "/v1/openapi.json"],
    ] as const;
    for (const origin of ["https://other.example", "null", "http://allowed.example"]) {
      for (const [method, path] of [...paths, ...more]) {
        const body = path !== "/v1/tickets" && method === "POST" ? { body: { body: "x" } } : {};
        const reply = await request(path, { method, headers: { origin }, ...body });
        expect([origin, path, reply.status]).toEqual([origin, path, 403]);
        expect(reply.headers.get("access-control-allow-origin")).toBeNull();
      }
    }
  });

  it("is told which methods there are", async () => {
    for (const [method, path, allow] of [
      ["GET", "/v1/tickets", "POST, OPTIONS"],
      ["PUT", messagesPath("room:any"), "GET, POST, OPTIONS"],
      ["POST", "/v1/connect", "GET, OPTIONS"],
      ["HEAD", "/v1/tickets", "POST, OPTIONS"],
      ["POST", "/healthz", "GET, HEAD"],
    ] as const) {
      const reply = await request(path, { method });
      expect([path, reply.status, reply.headers.get("allow")]).toEqual([path, 405, allow]);
    }
    for (const path of ["/healthz", "/readyz"]) {
      expect((await ask(edge.port, path)).status).toBe(200);
      expect((await ask(edge.port, path, { method: "HEAD" })).status).toBe(200);
    }
  });
});

describe("the description", () => {
  // What else proves them: the handshake's own tests, those of the bounds, and defects, which none has.
  const ELSEWHERE = new Set([101, 409, 429, 500, 503]);

  it("has every status that was ever answered here, and no other", async () => {
    const served = await ask(edge.port, "/v1/openapi.json");
    expect(served.headers.get("content-type")).toBe("application/json");
    expect(served.json).toEqual(JSON.parse(OPENAPI_TEXT));
    const described = Object.entries(OPENAPI.paths).flatMap(([path, operations]) =>
      Object.entries(operations as Record<string, { responses?: object }>).flatMap(
        ([method, { responses = {} }]) =>
          Object.keys(responses).map((status) => `${method} ${path} ${status}`),
      ),
    );
    const came = new Set(
      seenAnswers
        .map(({ method, path, status }) => ({ method, path: templateOf(path), status }))
        .filter(({ method, path }) => described.some((one) => one.startsWith(lead(method, path))))
        .map(({ method, path, status }) => `${lead(method, path)}${status}`),
    );
    expect([...came].filter((one) => !described.includes(one))).toEqual([]);
    const open = described.filter((one) => !came.has(one));
    expect(open.filter((one) => !ELSEWHERE.has(Number(one.split(" ")[2])))).toEqual([]);
  });
});

function lead(method: string, path: string): string {
  return `${method.toLowerCase()} ${path} `;
}

function templateOf(path: string): string {
  const [plain = ""] = path.split("?");
  return plain
    .replace(/^(\/v1\/conversations\/)[^/]+(?=\/messages$)/, "$1{c}")
    .replace(/^(\/v1\/sessions\/)[^/]+$/, "$1{session}");
}

async function buy(wish: HttpWish = {}): Promise<string> {
  const reply = await request("/v1/tickets", { method: "POST", ...wish });
  const ticket = expect.any(String) as string;
  expect([reply.status, reply.json]).toEqual([200, { ticket, expiresInMs: 30_000 }]);
  return String(reply.json?.["ticket"]);
}

interface Upgraded {
  readonly status: number;
  readonly socket: WebSocket;
  readonly frames: DownJson[];
}

async function upgrade(
  path: string,
  wish: {
    readonly port?: number;
    readonly protocols?: string[];
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<Upgraded> {
  const { port = edge.port, protocols = ["millrace.v1.json"], headers = {} } = wish;
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers });
  const frames: DownJson[] = [];
  socket.on("error", () => undefined);
  socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString()) as DownJson));
  const status = await new Promise<number>((resolve) => {
    socket.on("open", () => resolve(101));
    socket.on("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
  });
  return { status, socket, frames };
}

/** Sends the text on a connection of its own, and resets it. */
function sendAndReset(text: string, afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port: edge.port, host: "127.0.0.1" }, () => {
      socket.write(text);
      setTimeout(() => socket.resetAndDestroy(), afterMs);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
  });
}

/** Sends each part when the one before it was answered; everything that came back. */
async function converse(parts: readonly string[]): Promise<string> {
  const socket = connect({ port: edge.port, host: "127.0.0.1" });
  let got = "";
  socket.on("data", (data) => {
    got += data.toString();
  });
  socket.on("error", () => undefined);
  for (const [index, part] of parts.entries()) {
    socket.write(part);
    const isAnswered = (): boolean => (got.match(/HTTP\/1\.1 /g)?.length ?? 0) > index;
    await waitFor(() => isAnswered() || socket.destroyed, { what: "an answer" });
  }
  socket.destroy();
  return got;
}
