import type { AppendRequest, Log } from "@millrace/log";
import { must } from "@millrace/runtime";
import { waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { EdgeStage, subscribe } from "./testing/edge-stage.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";
import { wrappedLog } from "./testing/wrapped-log.ts";

const DM = "dm:alice:bob";
const NOTICE = "application/vnd.millrace.inbox+json";

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

it("All devices of both users hear of a first contact, with where it stands", async () => {
  const [one, two] = [await stage.start("edge-1"), await stage.start("edge-2")];
  const phone = await stage.connect(one, "alice", "phone");
  const listeners = [
    { client: await stage.connect(one, "bob", "phone"), inbox: "inbox:bob" },
    { client: await stage.connect(two, "bob", "laptop"), inbox: "inbox:bob" },
    { client: await stage.connect(two, "alice", "laptop"), inbox: "inbox:alice" },
  ];
  for (const { client, inbox } of listeners) await subscribe(client, inbox, "live");
  const sent = await phone.request({ t: "pub", to: "bob", key: "k1", body: "hello" });
  expect(sent).toMatchObject({ t: "pubd", c: DM });
  for (const { client, inbox } of listeners) {
    const notice = await client.next(({ t, c }) => t === "msg" && c === inbox, "the notice");
    expect(notice).toMatchObject({ from: "alice", type: NOTICE, ref: sent.pos });
    expect(JSON.parse(notice.body ?? "")).toEqual({ c: DM, from: "alice" });
    await subscribe(client, DM, "earliest");
    const message = await client.next(({ t, c }) => t === "msg" && c === DM, "the message");
    expect(message).toMatchObject({ pos: sent.pos, body: "hello", to: "bob" });
  }
  // By the conversation's own name it is the same message, also over HTTP.
  await phone.request({ t: "pub", c: DM, body: "again" });
  const { client } = must(listeners[1], "bob's laptop");
  await waitFor(() => client.messages("inbox:bob").length === 2, { what: "a second notice" });
  const again = await client.next(({ body }) => body === "again", "the second message");
  expect(again.to).toBe("bob");
  expect(client.messages("inbox:bob")[1]?.ref).toBe(again.pos);
});

it("A repeated key tells of the message again, by the same place", async () => {
  const edge = await stage.start("edge-1");
  const [alice, bob] = [await stage.connect(edge, "alice"), await stage.connect(edge, "bob")];
  await subscribe(bob, "inbox:bob", "live");
  const first = await alice.request({ t: "pub", to: "bob", key: "k1", body: "hello" });
  const second = await alice.request({ t: "pub", to: "bob", key: "k1", body: "hello" });
  expect(second).toMatchObject({ pos: first.pos, dup: true });
  await waitFor(() => bob.messages("inbox:bob").length === 2, { what: "both notices" });
  expect(bob.messages("inbox:bob").map(({ ref }) => ref)).toEqual([first.pos, first.pos]);
  const alone = await alice.request({ t: "pub", to: "alice", body: "a note to myself" });
  await subscribe(alice, "inbox:alice", "earliest");
  const refs = (): (string | undefined)[] => alice.messages("inbox:alice").map(({ ref }) => ref);
  await waitFor(() => refs().includes(alone.pos), { what: "the notice of the note" });
  expect(refs()).toEqual([first.pos, first.pos, alone.pos]);
});

it("A message whose notices are missing is not acknowledged, and its key makes up for them", async () => {
  await stage.makeTopic();
  const log = stage.kafkaLog();
  const wish = { isRefusing: true };
  const edge = await stage.start("edge-1", { log: refusingInboxes(log, wish) });
  const [alice, bob] = [await stage.connect(edge, "alice"), await stage.connect(edge, "bob")];
  await subscribe(bob, "inbox:bob", "live");
  const publish = (): Promise<DownJson> =>
    alice.request({ t: "pub", to: "bob", key: "k1", body: "hello" });
  expect(await publish()).toMatchObject({ t: "err", code: "unavailable", unknown: true });
  wish.isRefusing = false;
  const settled = await publish();
  expect(settled).toMatchObject({ t: "pubd", dup: true });
  const notice = await bob.next(({ t }) => t === "msg", "the notice");
  expect(notice.ref).toBe(settled.pos);
});

// C-036
it("Only members can do anything with a conversation, by any verb", async () => {
  const edge = await stage.start("edge-1");
  const alice = await stage.connect(edge, "alice");
  await alice.request({ t: "pub", to: "bob", key: "k", body: "secret" });
  await alice.request({ t: "pub", c: "room:members", body: "secret" });
  const token = await stage.issuer.token({
    sub: "mallory",
    millrace: { read: ["dm:*", "inbox:*", "sys:*"], write: ["dm:*", "inbox:*"] },
  });
  const mallory = await stage.connectByToken(edge, token, {});
  const closed = ["room:members", "room:nothing", DM, "inbox:bob", "inbox:alice", "sys:all"];
  const pos = (await alice.request({ t: "pub", c: "room:members", body: "more" })).pos;
  const refusals = new Set<string>();
  for (const c of closed) {
    for (const frame of [
      { t: "sub", c, from: "earliest" },
      { t: "sub", c, from: { last: 10 } },
      { t: "pub", c, body: "intruder" },
      { t: "ack", c, pos },
    ]) {
      const answer = await mallory.request(frame);
      refusals.add(`${frame.t} ${answer.t} ${answer.code} ${answer.message}`);
    }
    for (const method of ["GET", "POST"]) {
      refusals.add(await overHttp(edge.port, { token, c, method }));
    }
  }
  // One and the same for each verb, whether there is anything or not.
  expect([...refusals].toSorted()).toEqual([
    "GET 403 forbidden",
    "POST 403 forbidden",
    "ack err forbidden no right to read this conversation",
    "pub err forbidden no right to write to this conversation",
    "sub err forbidden no right to read this conversation",
  ]);
  expect((await mallory.request({ t: "unsub", c: DM })).code).toBe("not-subscribed");
  expect((await mallory.request({ t: "skip", c: DM })).code).toBe("not-subscribed");
  expect(mallory.frames.filter(({ t }) => t === "msg" || t === "subd")).toEqual([]);
  expect((await alice.request({ t: "pub", c: "inbox:alice", body: "me" })).code).toBe("forbidden");
  await subscribe(alice, DM, "earliest");
  await subscribe(alice, "room:members", "earliest");
  await alice.request({ t: "pub", c: DM, key: "end", body: "end" });
  await alice.next(({ body }) => body === "end", "the end");
  expect(allBodies(alice)).not.toContain("intruder");
});

function allBodies(client: RawClient): (string | undefined)[] {
  return client.frames.map(({ body }) => body);
}

async function overHttp(
  port: number,
  wish: { readonly token: string; readonly c: string; readonly method: string },
): Promise<string> {
  const { token, c, method } = wish;
  const url = `http://127.0.0.1:${port}/v1/conversations/${encodeURIComponent(c)}/messages`;
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const body = method === "POST" ? { body: JSON.stringify({ body: "intruder" }) } : {};
  const response = await fetch(url, { method, headers, ...body });
  const { error } = (await response.json()) as { error: string };
  return `${method} ${response.status} ${error}`;
}

/** A log that takes no record of an inbox while it is told not to. */
function refusingInboxes(log: Log, wish: { readonly isRefusing: boolean }): Log {
  const append = (request: AppendRequest): void => {
    const isInbox = Buffer.from(request.key).toString().startsWith("inbox:");
    if (!isInbox || !wish.isRefusing) return log.append(request);
    queueMicrotask(() => request.onOutcome({ kind: "not-appended", why: "a test wants it so" }));
  };
  return wrappedLog(log, { append });
}
