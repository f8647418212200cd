import { RedisServer, waitFor } from "@millrace/testkit";
import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { EdgeStage, type LocalEdge, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import { ask, messagesPath } from "./testing/http-client.ts";
import { Operator } from "./testing/operator.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";
import { wrappedLog } from "./testing/wrapped-log.ts";

const ROOM = "room:taken";
const OTHER = "room:kept";
const LIMITS_QUICK = { ...LIMITS, sessionSaveMs: 50 };

let redis: RedisServer;
let stage: EdgeStage;
let one: LocalEdge;
let two: LocalEdge;
let operator: Operator;

beforeEach(async () => {
  redis = await RedisServer.start();
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: redis.url });
  one = await stage.start("edge-1", { limits: LIMITS_QUICK });
  two = await stage.start("edge-2", { limits: LIMITS_QUICK });
  operator = await Operator.of(stage, one);
});

afterEach(async () => {
  await stage.close();
  await redis.stop();
});

// C-038
it("A removed member receives nothing more", async () => {
  const alice = await stage.connect(one, "alice");
  const phone = await stage.connect(two, "bob", "phone");
  const laptop = await stage.connect(one, "bob", "laptop");
  const offline = await sessionOf("bob", [ROOM, OTHER]);
  for (const client of [alice, phone, laptop]) {
    for (const c of [ROOM, OTHER]) await subscribe(client, c, "live");
  }
  await publish(alice, ROOM, ["r1"]);
  await whenHas(phone, ROOM, ["r1"]);
  await whenHas(laptop, ROOM, ["r1"]);
  await operator.remove("bob", ROOM);
  for (const client of [phone, laptop]) await whenRemoved(client, ROOM);
  await publish(alice, ROOM, ["r2", "r3"]);
  await publish(alice, OTHER, ["o1"]);
  await whenHas(alice, ROOM, ["r1", "r2", "r3"]);
  for (const client of [phone, laptop]) {
    await whenHas(client, OTHER, ["o1"]);
    await expectShutOut(client, ROOM, ["r1"]);
  }
  for (const edge of [one, two]) expect(await httpOf(edge, "bob", ROOM)).toEqual([403, 403]);
  // Who was away is not let back in by what the session remembers, nor by a position of before.
  const back = await stage.connectWith(two, "bob", { ...offline, attempt: "1", restore: "1" });
  await whenRemoved(back, ROOM);
  await whenHas(back, OTHER, ["o1"]);
  const after = phone.position(ROOM);
  expect(await subscribe(back, ROOM, { after })).toMatchObject({ t: "err", code: "forbidden" });
  // The second time Redis is away: nothing of this needs it.
  await redis.kill();
  await operator.lift("removals", "bob", ROOM);
  await operator.whenHolds("bob", 0);
  await whenSubscribed(phone, ROOM, { after });
  await whenHas(phone, ROOM, ["r1", "r2", "r3"]);
  await operator.remove("bob", ROOM);
  await whenRemoved(phone, ROOM, 2);
  await publish(alice, ROOM, ["r4"]);
  await publish(alice, OTHER, ["o2"]);
  await whenHas(alice, ROOM, ["r1", "r2", "r3", "r4"]);
  await whenHas(phone, OTHER, ["o1", "o2"]);
  await expectShutOut(phone, ROOM, ["r1", "r2", "r3"]);
  expect(await httpOf(two, "bob", ROOM)).toEqual([403, 403]);
  expect(await bodiesOf(ROOM)).toEqual(["r1", "r2", "r3", "r4"]);
});

it("A private conversation ends for who was removed from it, notices in the inbox included", async () => {
  const dm = "dm:alice:bob";
  const alice = await stage.connect(one, "alice");
  const bob = await stage.connect(two, "bob");
  for (const c of [dm, "inbox:bob"]) await subscribe(bob, c, "live");
  await alice.request({ t: "pub", to: "bob", body: "d1" });
  await whenHas(bob, dm, ["d1"]);
  await waitFor(() => bob.messages("inbox:bob").length === 1, { what: "the notice" });
  await operator.remove("bob", dm);
  await whenRemoved(bob, dm);
  expect((await alice.request({ t: "pub", to: "bob", body: "d2" })).t).toBe("pubd");
  const answer = await bob.request({ t: "pub", to: "alice", body: "d3" });
  expect(answer).toMatchObject({ t: "err", code: "forbidden" });
  // What follows in the inbox follows whatever would have been there.
  await stage
    .connect(one, "carol")
    .then((carol) => carol.request({ t: "pub", to: "bob", body: "c1" }));
  await waitFor(() => bob.messages("inbox:bob").length > 1, { what: "carol's notice" });
  const notices = bob.messages("inbox:bob").map(({ body }) => JSON.parse(body ?? "") as object);
  expect(notices.slice(1)).toEqual([{ c: "dm:bob:carol", from: "carol" }]);
  await expectShutOut(bob, dm, ["d1"]);
});

it("A removal that meets a subscribe or a catch-up under way wins", async () => {
  await stage.makeTopic();
  const log = stage.kafkaLog();
  const wish = { until: Promise.resolve() };
  const slow = await stage.start("edge-3", {
    limits: LIMITS_QUICK,
    log: wrappedLog(log, {
      bounds: (partition) => wish.until.then(() => log.bounds(partition)),
      readFrom: (request) => wish.until.then(() => log.readFrom(request)),
    }),
  });
  const alice = await stage.connect(one, "alice");
  await publish(alice, ROOM, ["r1", "r2"]);
  const bob = await stage.connect(slow, "bob");
  await subscribe(bob, ROOM, "earliest");
  await whenHas(bob, ROOM, ["r1", "r2"]);
  const [first] = bob.messages(ROOM);
  const fed = await stage.connect(slow, "bob");
  const held = holding();
  wish.until = held.until;
  // One is being fed, and another one asks to begin anew.
  const again = subscribe(bob, ROOM, "earliest");
  expect((await subscribe(fed, ROOM, { after: first?.pos })).t).toBe("subd");
  const carol = await stage.connect(slow, "carol");
  const asked = subscribe(carol, ROOM, "earliest");
  await operator.remove("bob", ROOM);
  for (const client of [bob, fed]) await whenRemoved(client, ROOM);
  held.release();
  expect(await again).toMatchObject({ t: "err", code: "forbidden" });
  expect((await asked).t).toBe("subd");
  await publish(alice, ROOM, ["r3"]);
  await whenHas(carol, ROOM, ["r1", "r2", "r3"]);
  await expectShutOut(bob, ROOM, ["r1", "r2"]);
  await expectShutOut(fed, ROOM, []);
});

function holding(): { readonly until: Promise<void>; release(): void } {
  const hold = { release: (): void => undefined };
  const until = new Promise<void>((resolve) => {
    hold.release = resolve;
  });
  return { until, release: () => hold.release() };
}

/** A session that has subscribed them, and whose client has gone. */
async function sessionOf(user: string, conversations: readonly string[]) {
  const client = await stage.connect(one, user);
  for (const c of conversations) await subscribe(client, c, "live");
  const session = client.frames[0]?.session ?? "";
  const connection = new Redis(redis.url);
  const key = `mr:session:{${user}}:${session}:subs`;
  const isSaved = async (): Promise<boolean> =>
    (await connection.hlen(key)) === conversations.length;
  await waitFor(isSaved, { what: "the subscriptions of the session" });
  connection.disconnect();
  client.terminate();
  return { session };
}

async function whenRemoved(client: RawClient, c: string, times = 1): Promise<void> {
  const ends = (): DownJson[] =>
    client.frames.filter((frame) => frame.t === "unsubd" && frame.c === c);
  await waitFor(() => ends().length >= times, { what: `the end of ${c}` });
  expect(ends().every(({ code, id }) => code === "forbidden" && id === undefined)).toBe(true);
}

/** An edge may hear of a lifting a moment after another one. */
async function whenSubscribed(client: RawClient, c: string, from: unknown): Promise<void> {
  const isIn = async (): Promise<boolean> => (await subscribe(client, c, from)).t === "subd";
  await waitFor(isIn, { what: `${c} again` });
}

/** By no verb, and it has only these, of before. */
async function expectShutOut(client: RawClient, c: string, bodies: string[]): Promise<void> {
  const requests = [
    { t: "sub", c, from: "live" },
    { t: "sub", c, from: "earliest" },
    { t: "pub", c, body: "intruding" },
    { t: "ack", c, pos: client.position(c) },
  ];
  for (const request of requests) {
    expect(await client.request(request)).toMatchObject({ t: "err", code: "forbidden" });
  }
  expect((await client.request({ t: "unsub", c })).code).toBe("not-subscribed");
  expect(client.bodies(c)).toEqual(bodies);
  expect(client.offence).toBeUndefined();
}

/** What reading and writing over HTTP are answered with. */
async function httpOf({ port }: LocalEdge, user: string, c: string): Promise<number[]> {
  const token = await stage.issuer.token({ sub: user });
  const page = await ask(port, messagesPath(c), { token });
  const post = await ask(port, messagesPath(c), { token, body: { body: "intruding" } });
  return [page.status, post.status];
}

/** What stands in the topic. */
async function bodiesOf(c: string): Promise<unknown[]> {
  const token = await stage.issuer.token({ sub: "alice" });
  const { json } = await ask(one.port, messagesPath(c), { token });
  const messages = json?.["messages"] as { body: string }[] | undefined;
  return messages?.map(({ body }) => body) ?? [];
}
