import { ensureTopic } from "@millrace/log";
import { silentLogger } from "@millrace/runtime";
import { RedisServer, waitFor, withProducer } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { type EdgePlace, EdgeStage, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import { type PageJson, ask, messagesPath } from "./testing/http-client.ts";
import { Operator } from "./testing/operator.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

describe("a ban", () => {
  it("A banned user is put out of every edge, and let in by none until it ends", async () => {
    const redis = await RedisServer.start();
    stage.atEnd(() => redis.stop());
    const env = { EDGE_REDIS_URL: redis.url };
    const [one, two] = [await stage.start("edge-1", {}, env), await stage.start("edge-2", {}, env)];
    const operator = await Operator.of(stage, one);
    const bobs = [await stage.connect(one, "bob"), await stage.connect(two, "bob", "phone")];
    const alice = await stage.connect(two, "alice");
    const token = await stage.issuer.token({ sub: "bob" });
    const bought = await ask(two.port, "/v1/tickets", { token, method: "POST" });
    const ticket = String(bought.json?.["ticket"]);
    // The second ban comes while Redis is away.
    for (const isRedisUp of [true, false]) {
      if (!isRedisUp) await redis.kill();
      await operator.ban("bob");
      for (const bob of bobs) await waitFor(() => bob.closeCode, { what: "bob's end" });
      expect(bobs.map(({ closeCode }) => closeCode)).toEqual([4403, 4403]);
      for (const edge of [one, two]) {
        await expect(stage.connect(edge, "bob")).rejects.toThrow("403");
        const probe = await ask(edge.port, "/v1/connect", { token });
        expect([probe.status, probe.json?.["message"]]).toEqual([403, "the user is banned"]);
        for (const path of ["/v1/sessions", messagesPath("room:any")]) {
          expect((await ask(edge.port, path, { token })).status).toBe(403);
        }
        const body = { body: "intruding" };
        expect((await ask(edge.port, messagesPath("room:any"), { token, body })).status).toBe(403);
        expect((await ask(edge.port, "/v1/tickets", { token, method: "POST" })).status).toBe(403);
      }
      if (isRedisUp) {
        const late = await ask(two.port, `/v1/connect?ticket=${ticket}`);
        expect([late.status, late.json?.["message"]]).toEqual([403, "the user is banned"]);
      }
      expect((await alice.request({ t: "ping" })).t).toBe("pong");
      await operator.lift("bans", "bob");
      bobs.splice(0, 2, await whenIn(one, "bob"), await whenIn(two, "bob"));
      await publish(bobs[0] as RawClient, "room:any", [`back-${isRedisUp}`], { isKeyed: false });
    }
    // A ban with an end needs nobody to lift it; an edge that starts meanwhile knows of it.
    await operator.ban("bob", Date.now() + 4_000);
    await waitFor(() => bobs[1]?.closeCode, { what: "bob's end" });
    const three = await stage.start("edge-3", {}, env);
    await expect(stage.connect(three, "bob")).rejects.toThrow("403");
    await whenIn(three, "bob");
    expect(await rulingsAbout(operator, "bob")).toEqual([]);
  });
});

describe("a beginning", () => {
  it("Rights that begin later leave what is older untold, by every verb", async () => {
    const c = "room:begun";
    const [one, two] = [await stage.start("edge-1"), await stage.start("edge-2")];
    const operator = await Operator.of(stage, one);
    const alice = await stage.connect(one, "alice");
    await subscribe(alice, c, "earliest");
    await publish(alice, c, ["m1", "m2", "m3", "m4"]);
    await whenHas(alice, c, ["m1", "m2", "m3", "m4"]);
    const [m1, m2] = alice.messages(c).map(({ pos = "" }) => pos);
    const pos = await operator.begin("bob", c, m2);
    expect(pos).toBe(m2);
    const others = await Operator.of(stage, two);
    await others.whenHolds("bob", 1);
    const gap = { t: "gap", reason: "forbidden", pos: m2, missed: null };
    for (const from of ["earliest", { last: 4 }, { time: 0 }, { after: m1 }]) {
      const bob = await stage.connect(two, "bob");
      await subscribe(bob, c, from);
      await whenHas(bob, c, ["m3", "m4"]);
      expect(gapOf(bob)).toMatchObject(gap);
    }
    const bob = await stage.connect(two, "bob");
    await subscribe(bob, c, { after: m2 });
    await whenHas(bob, c, ["m3", "m4"]);
    expect(gapOf(bob)).toBeUndefined();
    const token = await stage.issuer.token({ sub: "bob" });
    const pageOf = async (query: string): Promise<PageJson> => {
      const { status, json } = await ask(two.port, messagesPath(c, query), { token });
      expect(status).toBe(200);
      return json as unknown as PageJson;
    };
    expect(bodies(await pageOf(""))).toEqual(["m3", "m4"]);
    expect(bodies(await pageOf(`?before=${m2}`))).toEqual([]);
    const onward = await pageOf(`?after=${m1}`);
    expect(bodies(onward)).toEqual(["m3", "m4"]);
    expect(onward.gap).toEqual({ after: m1, pos: m2, reason: "forbidden", missed: null });
    // From now on, for somebody who is there already: nothing of before comes any more.
    await whenLive(bob, c);
    await operator.begin("bob", c);
    await publish(alice, c, ["m5"]);
    await whenHas(bob, c, ["m3", "m4", "m5"]);
    await operator.lift("beginnings", "bob", c);
    await others.whenHolds("bob", 0);
    const whole = await stage.connect(two, "bob");
    await subscribe(whole, c, "earliest");
    await whenHas(whole, c, ["m1", "m2", "m3", "m4", "m5"]);
  });
});

describe("the topic of rulings", () => {
  it("What nobody can read there is stepped over, and the next ruling takes effect", async () => {
    const edge = await stage.start("edge-1");
    const operator = await Operator.of(stage, edge);
    const bob = await stage.connect(edge, "bob");
    const carol = await stage.connect(edge, "carol");
    const messages = [
      { key: "ban/carol", value: "no ruling" },
      { key: "crown/carol", value: null },
      { key: "ban/carol/room:1", value: "nobody's" },
    ];
    await withProducer(inject("kafkaBrokers"), (producer) =>
      producer.send({ topic: stage.controlTopic, messages }),
    );
    await operator.ban("bob");
    await waitFor(() => bob.closeCode === 4403, { what: "bob's end" });
    expect((await carol.request({ t: "ping" })).t).toBe("pong");
    const counted = await edge.edge.metrics.recordsSkipped.get();
    expect(counted.values[0]?.value).toBe(messages.length);
  });

  it("An edge will not serve by a topic of rulings that could forget one", async () => {
    const brokers = inject("kafkaBrokers");
    const shared = { brokers, isDevelopment: true, logger: silentLogger };
    await ensureTopic({ ...shared, topic: stage.controlTopic, purpose: "messages" });
    const { problems } = await ensureTopic({
      ...shared,
      topic: stage.controlTopic,
      purpose: "control",
    });
    expect(problems.map(({ setting }) => setting)).toEqual(["partitions", "cleanup.policy"]);
    const start = stage.start("edge-1", {}, { EDGE_DEVELOPMENT: "false" });
    await expect(start).rejects.toThrow("the topic can't keep the promises");
  });
});

describe("the operators' calls", () => {
  it("say what holds, page by page, and take nothing that they don't understand", async () => {
    const edge = await stage.start("edge-1");
    const operator = await Operator.of(stage, edge);
    const user = "who/ever ü";
    await operator.ban(user, Date.now() + 60_000);
    await operator.remove(user, "room:1/2 ?");
    await operator.begin(user, "room:1");
    await operator.whenHolds(user, 3);
    const held = await rulingsAbout(operator, user);
    expect(held).toMatchObject(
      [
        { kind: "ban", user, operator: "olga", untilMs: expect.any(Number) },
        { kind: "beginning", user, conversation: "room:1", pos: expect.any(String) },
        { kind: "removal", user, conversation: "room:1/2 ?", ruledAtMs: expect.any(Number) },
      ].toSorted((a, b) => (a.kind < b.kind ? -1 : 1)),
    );
    const all = await operator.call("GET", "/v1/rulings?after=beginning");
    expect(all.json?.["rulings"]).toHaveLength(2);
    const wrong: [string, object | undefined, number][] = [
      ["/v1/bans/bob", { until: 5 }, 400],
      ["/v1/bans/bob", { untilMs: 5 }, 400],
      ["/v1/bans/bob", { untilMs: "tomorrow" }, 400],
      [`/v1/bans/${"b".repeat(91)}`, undefined, 400],
      ["/v1/bans/%ff", undefined, 400],
      ["/v1/bans/bob", { pad: "x".repeat(5_000) }, 413],
      ["/v1/removals/dm%3Ano/bob", undefined, 400],
      ["/v1/removals/room%3A1", undefined, 404],
      ["/v1/beginnings/room%3A1/bob", undefined, 400],
      ["/v1/beginnings/room%3A1/bob", { pos: "then" }, 400],
      ["/v1/beginnings/room%3A1/bob", { pos: "AAAAAAAA.0.0" }, 400],
    ];
    for (const [path, body, status] of wrong) {
      expect([path, (await operator.call("PUT", path, body)).status]).toEqual([path, status]);
    }
    const token = await stage.issuer.token({ sub: "bob" });
    const { adminPort } = edge.edge;
    for (const [wish, status] of [
      [{}, 401],
      [{ token }, 403],
    ] as const) {
      const answer = await ask(adminPort, "/v1/bans/alice", { ...wish, method: "PUT" });
      expect(answer.status).toBe(status);
    }
    expect(await rulingsAbout(operator, "bob")).toEqual([]);
    expect(await rulingsAbout(operator, "alice")).toEqual([]);
  });
});

async function rulingsAbout(operator: Operator, user: string): Promise<unknown> {
  const answer = await operator.call("GET", `/v1/rulings?user=${encodeURIComponent(user)}`);
  return answer.json?.["rulings"];
}

/** An edge may hear of a lifting a moment after another one. */
function whenIn(edge: EdgePlace, user: string): Promise<RawClient> {
  const tryIn = (): Promise<RawClient | undefined> =>
    stage.connect(edge, user).catch(() => undefined);
  return waitFor(tryIn, { what: `${user} is let in` });
}

function bodies({ messages }: PageJson): unknown[] {
  return messages.map(({ body }) => body);
}

function gapOf(client: RawClient): DownJson | undefined {
  return client.frames.find(({ t }) => t === "gap");
}

async function whenLive(client: RawClient, c: string): Promise<void> {
  await client.next((frame) => frame.t === "live" && frame.c === c, "live");
}
