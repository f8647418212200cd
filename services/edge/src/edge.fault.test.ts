import { delay, systemClock } from "@millrace/runtime";
import { type EdgeProcess, waitFor } from "@millrace/testkit";
import type { Acknowledged } from "@millrace/testkit/judge";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { EdgeStage, bodiesFrom, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";

const KILLS = process.env["MILLRACE_FULL"] === "1" ? 20 : 6;

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({
    brokers: inject("kafkaBrokers"),
    redisUrl: inject("redisUrl"),
  });
});

afterEach(() => stage.close());

// C-004
it("Everyone gets a message once, the sender and its neighbours on the same edge included", async () => {
  const c = "room:everyone";
  const [one, two] = [await stage.spawn("edge-1"), await stage.spawn("edge-2")];
  const sender = await stage.connect(one, "sender");
  const near = await stage.connect(one, "near");
  const far = await stage.connect(two, "far");
  for (const client of [sender, near, far]) await subscribe(client, c, "live");
  const all = bodiesFrom(0, 1_000);
  await publish(sender, c, all.slice(0, 500));
  await waitFor(() => far.messages(c).length > 0, { what: "a first message far away" });
  await two.kill();
  await waitFor(() => far.closeCode !== undefined, { what: "the end of its edge" });
  await publish(sender, c, all.slice(500));
  const back = await stage.connect(await stage.spawn("edge-2", { port: two.port }), "far");
  const resumed = await subscribe(back, c, { after: far.position(c) });
  expect(resumed.pos).toBe(far.position(c));
  await whenHas(sender, c, all);
  await whenHas(near, c, all);
  await whenHas(back, c, all.slice(far.messages(c).length));
  const receivers = { sender: [sender], near: [near], far: [far, back] };
  expect((await stage.judge(receivers)).offences).toEqual([]);
});

// C-010
it("A client that has received nothing yet can resume", async () => {
  const c = "room:empty";
  const edge = await stage.spawn("edge-1");
  const reader = await stage.connect(edge, "reader");
  const subscribed = await subscribe(reader, c, "live");
  expect(subscribed.pos).toMatch(/\.0$/);
  reader.terminate();
  const writer = await stage.connect(edge, "writer");
  await publish(writer, c, ["m1", "m2"]);
  const back = await stage.connect(edge, "reader");
  await subscribe(back, c, { after: subscribed.pos });
  await whenHas(back, c, ["m1", "m2"]);
  expect(back.frames.map(({ t }) => t)).not.toContain("gap");
});

// C-018
it("Each device of a user keeps its own cursor", async () => {
  const c = "room:devices";
  const edge = await stage.spawn("edge-1");
  const writer = await stage.connect(edge, "writer");
  const phone = await stage.connect(edge, "user", "phone");
  const tablet = await stage.connect(edge, "user", "tablet");
  for (const client of [phone, tablet]) await subscribe(client, c, "earliest");
  await publish(writer, c, bodiesFrom(0, 100));
  await whenHas(phone, c, bodiesFrom(0, 100));
  await whenHas(tablet, c, bodiesFrom(0, 100));
  const ack = (client: RawClient, index: number): Promise<DownJson> =>
    client.request({ t: "ack", c, pos: client.messages(c)[index]?.pos });
  expect((await ack(phone, 99)).t).toBe("ackd");
  expect((await ack(tablet, 39)).t).toBe("ackd");
  tablet.terminate();
  await publish(writer, c, bodiesFrom(100, 120));
  const back = await stage.connect(await stage.spawn("edge-2"), "user", "tablet");
  await subscribe(back, c, "acked");
  await whenHas(back, c, bodiesFrom(40, 120));
  await whenHas(phone, c, bodiesFrom(0, 120));
});

it("tells its clients to go elsewhere before it ends, and ends in time", async () => {
  const c = "room:drain";
  const edge = await stage.spawn("edge-1");
  const client = await stage.connect(edge, "reader");
  await subscribe(client, c, "live");
  const startMs = performance.now();
  const ended = edge.terminate();
  await client.next(({ t }) => t === "goaway", "a goaway");
  // What is published meanwhile is still answered and delivered.
  await publish(client, c, ["last"]);
  await whenHas(client, c, ["last"]);
  expect(await ended).toBe(0);
  expect(client.closeCode).toBe(1001);
  expect(performance.now() - startMs).toBeLessThan(6_000);
});

// C-005
it("A message that was acknowledged survives the death of the edge that acknowledged it", async () => {
  const c = "room:survivors";
  const acknowledged: Acknowledged[] = [];
  let edge: EdgeProcess = await stage.spawn("edge-1");
  for (let round = 0; round < KILLS; round++) {
    const client = await stage.connect(edge, "writer");
    client.send({ t: "sub", c, from: "live" });
    for (let index = 0; index < 200; index++) {
      // Keys count up, so that the judge knows their order.
      const id = round * 1_000 + index;
      client.send({ t: "pub", c, id, key: String(id), body: "x" });
    }
    await waitFor(() => client.frames.filter(({ t }) => t === "pubd").length > 20, {
      what: "some acknowledgements",
    });
    await edge.kill();
    await waitFor(() => client.closeCode !== undefined, { what: "the end of its edge" });
    for (const { t, id, pos } of client.frames) {
      if (t !== "pubd" || pos === undefined) continue;
      acknowledged.push({ c, from: "writer", key: String(id), pos });
    }
    await delay(systemClock, 50);
    edge = await stage.spawn("edge-1", { port: edge.port });
  }
  const reader = await stage.connect(edge, "reader");
  await subscribe(reader, c, "earliest");
  await reader.next(({ t }) => t === "live", "all of the history");
  const verdict = await stage.judge({ reader: [reader] }, acknowledged);
  expect(verdict.offences).toEqual([]);
  expect(verdict.acknowledged).toBeGreaterThan(KILLS * 20);
});
