import { must } from "@millrace/runtime";
import { ownershipGroupOf } from "@millrace/schemas";
import { waitFor } from "@millrace/testkit";
import kafkajs from "kafkajs";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { SteadyLoad } from "../trouble/steady-load.ts";
import {
  DELIVERIES,
  type Delivery,
  deliveredBy,
} from "../../services/edge/src/testing/deliveries.ts";
import {
  EdgeStage,
  type LocalEdge,
  bodiesFrom,
  publish,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import { ask } from "../../services/edge/src/testing/http-client.ts";
import { byPartition, metricOf } from "../../services/edge/src/testing/metric-of.ts";
import { Operator, thenBody } from "../../services/edge/src/testing/operator.ts";
import type { RawClient } from "../../services/edge/src/testing/raw-client.ts";

const { Kafka, logLevel } = kafkajs;

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
      await say(writer, c, bodiesFrom(0, 20));
      for (const reader of [near, far]) await whenHas(reader, c, bodiesFrom(0, 20));
      const partition = partitionOf(near, c);
      await order("PUT", `pauses/${partition}`);
      await whenPaused(1);
      await say(writer, c, bodiesFrom(20, 100));
      const late = await stage.connect(two, "late");
      await subscribe(late, c, "earliest");
      await whenHas(late, c, bodiesFrom(0, 20));
      const lag = async (edge: LocalEdge): Promise<number> =>
        (await byPartition(edge, "millrace_tail_lag_records")).get(partition) ?? 0;
      for (const edge of [one, two]) {
        await waitFor(async () => (await lag(edge)) >= 80, { what: "an honest lag" });
        const stalled = await byPartition(edge, "millrace_tail_stalled_seconds");
        expect(stalled.get(partition)).toBe(0);
        const ready = await ask(edge.port, "/readyz", {});
        expect([ready.status, ready.json]).toEqual([200, { status: "ready" }]);
      }
      expect([near, far, late].map((reader) => reader.bodies(c).length)).toEqual([20, 20, 20]);
      // What is said twice is still known: the keys are read on.
      await say(writer, c, bodiesFrom(95, 100));
      await order("DELETE", `pauses/${partition}`);
      for (const reader of [near, far, late]) await whenHas(reader, c, bodiesFrom(0, 100));
      await whenPaused(0);
      await say(writer, c, bodiesFrom(100, 110));
      for (const reader of [near, far, late]) await whenHas(reader, c, bodiesFrom(0, 110));
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
        await order("PUT", "drain", thenBody("stay"));
        await order("PUT", "drain", thenBody("stay"));
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
  const kafka = new Kafka({ brokers: inject("kafkaBrokers"), logLevel: logLevel.NOTHING });
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
  for (const [path, wish, why] of [
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
    ["drain", thenBody("sleep"), "then is neither `end` nor `stay`"],
  ] as const) {
    const answer = await operator.call("PUT", `/v1/${path}`, wish);
    expect([path, answer.status, answer.json?.["message"]]).toEqual([path, 400, why]);
  }
  const { json } = await operator.call("GET", "/v1/orders");
  expect(json).toEqual({ pins: [], weights: [], pauses: [] });
  // Lifting what does not hold does no harm.
  for (const path of ["pins/3", "weights/edge-7", "pauses/3", "drain"]) await order("DELETE", path);
});

/** One after the other, each again until its key is taken: Redis is too young to prove which are new. */
async function say(client: RawClient, c: string, bodies: readonly string[]): Promise<void> {
  for (const text of bodies) {
    const isTaken = async (): Promise<boolean> => {
      const { t, code } = await client.request({ t: "pub", c, key: text, body: text });
      if (t !== "pubd" && code !== "unavailable") throw new Error(`${text}: ${code}`);
      return t === "pubd";
    };
    await waitFor(isTaken, { what: text, ...SECONDS });
  }
}

function partitionOf(client: RawClient, c: string): number {
  return Number(must(client.position(c), "a position").split(".")[1]);
}
