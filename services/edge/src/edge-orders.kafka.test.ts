import { must } from "@millrace/runtime";
import { ownershipGroupOf } from "@millrace/schemas";
import { waitFor } from "@millrace/testkit";
import kafkajs from "kafkajs";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { SteadyLoad } from "../../../test/trouble/steady-load.ts";
import { DELIVERIES, type Delivery, deliveredBy } from "./testing/deliveries.ts";
import {
  EdgeStage,
  type LocalEdge,
  bodiesFrom,
  publish,
  subscribe,
  whenHas,
} from "./testing/edge-stage.ts";
import { ask } from "./testing/http-client.ts";
import { byPartition, metricOf } from "./testing/metric-of.ts";
import { Operator } from "./testing/operator.ts";
import type { RawClient } from "./testing/raw-client.ts";

const PARTITIONS = 12;
const OWNED = "millrace_partition_owned";

/** Pins and weights take effect within a second or two; the machine is shared. */
const SECONDS = { timeoutMs: 20_000 };
const TEST_MS = 120_000;

let stage: EdgeStage;
let one: LocalEdge;
let two: LocalEdge;
let operator: Operator;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

async function startTwo(delivery: Delivery): Promise<void> {
  const env = deliveredBy(delivery);
  one = await stage.start("edge-1", {}, env);
  two = await stage.start("edge-2", {}, env);
  operator = await Operator.of(stage, one);
}

async function order(
  method: "PUT" | "POST" | "DELETE",
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const { status, json, text } = await operator.call(method, `/v1/${path}`, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  return json ?? {};
}

async function ownedBy(edge: LocalEdge): Promise<number[]> {
  return [...(await byPartition(edge, OWNED)).keys()];
}

/** Each partition has one owner, and the first edge has so many. */
function whenOwned(count: number, what: string): Promise<void> {
  const isSo = async (): Promise<boolean> => {
    const [first, second] = [await ownedBy(one), await ownedBy(two)];
    const all = new Set([...first, ...second]);
    return (
      first.length === count && second.length === PARTITIONS - count && all.size === PARTITIONS
    );
  };
  return waitFor(isSo, { what, ...SECONDS }).then(() => undefined);
}

async function whenPaused(count: number): Promise<void> {
  const arePaused = async (): Promise<boolean> => {
    const counts = await Promise.all(
      [one, two].map((edge) => metricOf(edge, "millrace_partitions_paused")),
    );
    return counts.every((paused) => paused === count);
  };
  await waitFor(arePaused, { what: `${count} paused partitions on both`, ...SECONDS });
}

describe.each(DELIVERIES)("with %s delivery", (delivery) => {
  beforeEach(() => startTwo(delivery), TEST_MS);

  it(
    "Pins and weights move ownership within seconds, and everybody can see what holds",
    async () => {
      await whenOwned(6, "halves");
      const partition = must((await ownedBy(one))[0], "a partition of the first edge");
      const { ruledAtMs } = await order("PUT", `pins/${partition}`, { edge: "edge-2" });
      const isMoved = async (): Promise<boolean> => (await ownedBy(two)).includes(partition);
      await waitFor(isMoved, { what: "the pinned partition", ...SECONDS });
      await whenOwned(6, "halves, with the pin");
      await order("PUT", "weights/edge-1", { weight: 0 });
      await whenOwned(0, "all on the second");
      const others = await Operator.of(stage, two);
      const origin = { operator: "olga", ruledAtMs };
      expect((await others.call("GET", "/v1/orders")).json).toMatchObject({
        pins: [{ partition, edge: "edge-2", ...origin }],
        weights: [{ edge: "edge-1", weight: 0 }],
        pauses: [],
      });
      await order("DELETE", "weights/edge-1");
      await order("DELETE", `pins/${partition}`);
      await whenOwned(6, "halves again");
      // A pin to an edge that is not there waits for it.
      await order("PUT", `pins/${partition}`, { edge: "edge-9" });
      await order("POST", "rejoin");
      await whenOwned(6, "halves all the same");
    },
    TEST_MS,
  );

  it(
    "A paused partition keeps what is published, and hands it on in order when it goes on",
    async () => {
      const c = "room:paused";
      const [writer, near, far] = [
        await stage.connect(one, "writer"),
        await stage.connect(one, "near"),
        await stage.connect(two, "far"),
      ];
      for (const reader of [near, far]) await subscribe(reader, c, "live");
      await say(writer, c, bodiesFrom(0, 50));
      for (const reader of [near, far]) await whenHas(reader, c, bodiesFrom(0, 50));
      const partition = partitionOf(near, c);
      await order("PUT", `pauses/${partition}`);
      await whenPaused(1);
      await say(writer, c, bodiesFrom(50, 300));
      const late = await stage.connect(two, "late");
      await subscribe(late, c, "earliest");
      await whenHas(late, c, bodiesFrom(0, 50));
      const lag = async (edge: LocalEdge): Promise<number> =>
        (await byPartition(edge, "millrace_tail_lag_records")).get(partition) ?? 0;
      for (const edge of [one, two]) {
        await waitFor(async () => (await lag(edge)) >= 250, { what: "an honest lag" });
        const stalled = await byPartition(edge, "millrace_tail_stalled_seconds");
        expect(stalled.get(partition)).toBe(0);
        const ready = await ask(edge.port, "/readyz", {});
        expect([ready.status, ready.json]).toEqual([200, { status: "ready" }]);
      }
      expect([near, far, late].map((reader) => reader.bodies(c).length)).toEqual([50, 50, 50]);
      // What is said twice is still known: the keys are read on.
      await say(writer, c, bodiesFrom(290, 300));
      await order("DELETE", `pauses/${partition}`);
      for (const reader of [near, far, late]) await whenHas(reader, c, bodiesFrom(0, 300));
      await whenPaused(0);
      await say(writer, c, bodiesFrom(300, 320));
      for (const reader of [near, far, late]) await whenHas(reader, c, bodiesFrom(0, 320));
      expect((await stage.judge({ near: [near], far: [far], late: [late] })).offences).toEqual([]);
    },
    TEST_MS,
  );

  it(
    "An edge stands aside and comes back under clients that publish: each message once",
    async () => {
      await whenOwned(6, "halves");
      const load = await SteadyLoad.start({
        edges: [one.ws, two.ws],
        brokers: inject("kafkaBrokers"),
        topic: stage.topic,
        tokenFor: (sub) => stage.issuer.token({ sub }),
        conversations: bodiesFrom(0, 12).map((name) => `room:${name}`),
        senders: 3,
        receivers: 4,
        perSecond: 100,
      });
      stage.atEnd(() => load.stop());
      for (const isWhole of [true, false]) {
        await order("PUT", "drain", { then: "stay" });
        await order("PUT", "drain", { then: "stay" });
        if (isWhole) {
          await whenOwned(0, "the second owns all");
          const isEmpty = async () => (await metricOf(one, "millrace_connections")) === 0;
          await waitFor(isEmpty, { what: "everybody has gone", ...SECONDS });
          expect((await ask(one.port, "/readyz", {})).status).toBe(503);
          expect((await ask(one.port, "/healthz", {})).status).toBe(200);
        }
        await load.whenReceived(100);
        await order("DELETE", "drain");
        await order("DELETE", "drain");
        await whenOwned(6, "halves again");
        expect((await ask(one.port, "/readyz", {})).status).toBe(200);
        await load.whenReceived(100);
      }
      const { offences, repeatedKeys } = await load.judge();
      expect([offences, repeatedKeys]).toEqual([[], 0]);
      // Nobody can ask this edge to end: the test has started it.
      expect((await operator.call("PUT", "/v1/drain")).status).toBe(404);
    },
    TEST_MS,
  );
});

it("The usual tools show how far a direct edge has handed on", async () => {
  one = await stage.start("edge-1");
  const reader = await stage.connect(one, "reader");
  await subscribe(reader, "room:lag", "live");
  await publish(reader, "room:lag", bodiesFrom(0, 10));
  await whenHas(reader, "room:lag", bodiesFrom(0, 10));
  const kafka = new kafkajs.Kafka({ brokers: inject("kafkaBrokers"), logLevel: 0 });
  const admin = kafka.admin();
  await admin.connect();
  stage.atEnd(() => admin.disconnect());
  const groupId = ownershipGroupOf(stage.topic);
  const isShown = async (): Promise<boolean> => {
    const [of] = await admin.fetchOffsets({ groupId, topics: [stage.topic] });
    const at = of?.partitions.find(
      ({ partition }) => partition === partitionOf(reader, "room:lag"),
    );
    return at?.offset === "10" && of?.partitions.every(({ offset }) => offset !== "-1") === true;
  };
  await waitFor(isShown, { what: "the committed offsets", ...SECONDS });
});

it("A wish that makes no sense is refused by name, and changes nothing", async () => {
  one = await stage.start("edge-1");
  operator = await Operator.of(stage, one);
  const edge = { edge: "edge-2" };
  for (const [path, body, why] of [
    ["pins/12", edge, "there is no partition 12: they go from 0 to 11"],
    ["pins/07", edge, "this is no partition"],
    ["pins/x", edge, "this is no partition"],
    ["pins/3", undefined, "edge is missing: the id of the edge to pin it to"],
    ["pins/3", { edge: "" }, "edge is missing: the id of the edge to pin it to"],
    ["pins/3", { ...edge, weight: 1 }, "the body has a field that is not known here"],
    ["weights/edge-1", {}, "weight is no whole number from 0 to 1000"],
    ["weights/edge-1", { weight: 1.5 }, "weight is no whole number from 0 to 1000"],
    ["weights/edge-1", { weight: 1_001 }, "weight is no whole number from 0 to 1000"],
    ["weights/%00", { weight: 1 }, "this is no edge id"],
    ["pauses/99999", undefined, "this is no partition"],
    ["drain", { then: "sleep" }, "then is neither `end` nor `stay`"],
  ] as const) {
    const answer = await operator.call("PUT", `/v1/${path}`, body);
    expect([path, answer.status, answer.json?.["message"]]).toEqual([path, 400, why]);
  }
  const { json } = await operator.call("GET", "/v1/orders");
  expect(json).toEqual({ pins: [], weights: [], pauses: [] });
  // Lifting what does not hold does no harm.
  for (const path of ["pins/3", "weights/edge-7", "pauses/3", "drain"]) await order("DELETE", path);
});

/** One after the other, each again until its key is taken: Redis is too young to prove which are new. */
async function say(client: RawClient, c: string, bodies: readonly string[]): Promise<void> {
  for (const body of bodies) {
    const isTaken = async (): Promise<boolean> => {
      const { t, code } = await client.request({ t: "pub", c, key: body, body });
      if (t !== "pubd" && code !== "unavailable") throw new Error(`${body}: ${code}`);
      return t === "pubd";
    };
    await waitFor(isTaken, { what: body, ...SECONDS });
  }
}

function partitionOf(client: RawClient, c: string): number {
  return Number(must(client.position(c), "a position").split(".")[1]);
}
