import { randomUUID } from "node:crypto";
import { delay, systemClock } from "@millrace/runtime";
import { type EdgeProcess, spawnEdge, waitFor } from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from "vitest";
import { type DownJson, RawClient } from "./testing/raw-client.ts";
import { AUDIENCE, ISSUER, TestIssuer } from "./testing/test-issuer.ts";

const WINDOW = 50;

let issuer: TestIssuer;
let topic: string;
let edges: EdgeProcess[];
let clients: RawClient[];

beforeAll(async () => {
  issuer = await TestIssuer.start();
});

afterAll(() => issuer.stop());

beforeEach(() => {
  topic = `edge-${randomUUID()}`;
  edges = [];
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.terminate();
  await Promise.all(edges.map((edge) => edge.kill()));
});

async function startEdge(id: string, port?: number): Promise<EdgeProcess> {
  const edge = await spawnEdge({
    id,
    ...(port !== undefined && { port }),
    env: {
      EDGE_KAFKA_BROKERS: inject("kafkaBrokers").join(","),
      EDGE_REDIS_URL: inject("redisUrl"),
      EDGE_TOPIC: topic,
      EDGE_ISSUER: ISSUER,
      EDGE_JWKS: issuer.jwks,
      EDGE_AUDIENCE: AUDIENCE,
      EDGE_DEVELOPMENT: "true",
      EDGE_DRAIN_MS: "3000",
    },
  });
  edges.push(edge);
  return edge;
}

async function connect(edge: EdgeProcess, user: string, device?: string): Promise<RawClient> {
  const token = await issuer.token({ sub: user });
  const options = { url: edge.ws, token, ...(device !== undefined && { device }) };
  const client = await RawClient.open(options);
  clients.push(client);
  return client;
}

function subscribe(client: RawClient, c: string, from: unknown): Promise<DownJson> {
  return client.request({ t: "sub", c, from });
}

/** In order, with a window of unanswered ones. */
async function publish(client: RawClient, c: string, bodies: readonly string[]): Promise<void> {
  for (let start = 0; start < bodies.length; start += WINDOW) {
    const window = bodies.slice(start, start + WINDOW);
    const answers = window.map((body) => client.request({ t: "pub", c, key: body, body }));
    for (const answer of await Promise.all(answers)) {
      if (answer.t !== "pubd") throw new Error(`not published: ${JSON.stringify(answer)}`);
    }
  }
}

function bodiesFrom(first: number, end: number): string[] {
  return Array.from({ length: end - first }, (_, index) => `m${first + index}`);
}

async function whenHas(client: RawClient, c: string, bodies: readonly string[]): Promise<void> {
  await waitFor(() => client.messages(c).length >= bodies.length, { what: `all of ${c}` });
  expect(client.bodies(c)).toEqual(bodies);
  expect(client.offence).toBeUndefined();
}

// C-004
it("Everyone gets a message once, the sender and its neighbours on the same edge included", async () => {
  const c = "room:everyone";
  const [one, two] = [await startEdge("edge-1"), await startEdge("edge-2")];
  const sender = await connect(one, "sender");
  const near = await connect(one, "near");
  const far = await connect(two, "far");
  for (const client of [sender, near, far]) await subscribe(client, c, "live");
  const all = bodiesFrom(0, 1_000);
  await publish(sender, c, all.slice(0, 500));
  await waitFor(() => far.messages(c).length > 0, { what: "a first message far away" });
  await two.kill();
  await waitFor(() => far.closeCode !== undefined, { what: "the end of its edge" });
  await publish(sender, c, all.slice(500));
  const back = await connect(await startEdge("edge-2", two.port), "far");
  const resumed = await subscribe(back, c, { after: far.position(c) });
  expect(resumed.pos).toBe(far.position(c));
  await whenHas(sender, c, all);
  await whenHas(near, c, all);
  await whenHas(back, c, all.slice(far.messages(c).length));
  expect([...far.bodies(c), ...back.bodies(c)]).toEqual(all);
  expect(sender.messages(c).map(({ key }) => key)).toEqual(all);
});

// C-010
it("A client that has received nothing yet can resume", async () => {
  const c = "room:empty";
  const edge = await startEdge("edge-1");
  const reader = await connect(edge, "reader");
  const subscribed = await subscribe(reader, c, "live");
  expect(subscribed.pos).toMatch(/\.0$/);
  reader.terminate();
  const writer = await connect(edge, "writer");
  await publish(writer, c, ["m1", "m2"]);
  const back = await connect(edge, "reader");
  await subscribe(back, c, { after: subscribed.pos });
  await whenHas(back, c, ["m1", "m2"]);
  expect(back.frames.map(({ t }) => t)).not.toContain("gap");
});

// C-018
it("Each device of a user keeps its own cursor", async () => {
  const c = "room:devices";
  const edge = await startEdge("edge-1");
  const writer = await connect(edge, "writer");
  const phone = await connect(edge, "user", "phone");
  const tablet = await connect(edge, "user", "tablet");
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
  const back = await connect(await startEdge("edge-2"), "user", "tablet");
  await subscribe(back, c, "acked");
  await whenHas(back, c, bodiesFrom(40, 120));
  await whenHas(phone, c, bodiesFrom(0, 120));
});

it("tells its clients to go elsewhere before it ends, and ends in time", async () => {
  const c = "room:drain";
  const edge = await startEdge("edge-1");
  const client = await connect(edge, "reader");
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
  const acknowledged: string[] = [];
  let edge = await startEdge("edge-1");
  for (let round = 0; round < 3; round++) {
    const client = await connect(edge, "writer");
    client.send({ t: "sub", c, from: "live" });
    for (let index = 0; index < 200; index++) {
      client.send({ t: "pub", c, id: 1_000 + index, key: `${round}/${index}`, body: "x" });
    }
    await waitFor(() => client.frames.filter(({ t }) => t === "pubd").length > 20, {
      what: "some acknowledgements",
    });
    await edge.kill();
    await waitFor(() => client.closeCode !== undefined, { what: "the end of its edge" });
    for (const { t, id } of client.frames) {
      if (t === "pubd" && id !== undefined) acknowledged.push(`${round}/${id - 1_000}`);
    }
    await delay(systemClock, 50);
    edge = await startEdge("edge-1", edge.port);
  }
  const reader = await connect(edge, "reader");
  await subscribe(reader, c, "earliest");
  await reader.next(({ t }) => t === "live", "all of the history");
  const keys = reader.messages(c).map(({ key }) => key ?? "");
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys).toEqual(expect.arrayContaining(acknowledged));
  expect(keys).toEqual(keys.toSorted((a, b) => orderOf(a) - orderOf(b)));
  expect(reader.offence).toBeUndefined();
});

function orderOf(key: string): number {
  const [round = 0, index = 0] = key.split("/").map(Number);
  return round * 1_000 + index;
}
