import { parsePosition, partitionOf } from "@millrace/schemas";
import { type EdgeProcess, RedisServer, withAdmin } from "@millrace/testkit";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { EdgeStage, bodiesFrom, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import {
  type HttpReply,
  type HttpWish,
  type PageJson,
  ask,
  messagesPath,
} from "./testing/http-client.ts";

const PARTITIONS = 12;
const ORIGIN = "https://allowed.example";
const { bodyBytes } = LIMITS.announced;

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
    const gap = { after: pos(4), pos: pos(19), reason: "expired", missed: null };
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
    expect(recreated.gap).toEqual({ ...gap, after: foreign, reason: "recreated" });
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
