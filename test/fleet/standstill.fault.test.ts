import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log, ReadOutcome, ReadRequest } from "@millrace/log";
import { must } from "@millrace/runtime";
import { type EdgeProcess, RedisServer, waitFor } from "@millrace/testkit";
import { afterEach, describe, expect, inject, it } from "vitest";
import {
  DELIVERIES,
  type Delivery,
  deliveredBy,
} from "../../services/edge/src/testing/deliveries.ts";
import {
  EdgeStage,
  bodiesFrom,
  publish,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import { byPartition, metricOf } from "../../services/edge/src/testing/metric-of.ts";
import type { RawClient } from "../../services/edge/src/testing/raw-client.ts";
import { roomIn } from "../../services/edge/src/testing/room-in.ts";
import { wrappedLog } from "../../services/edge/src/testing/wrapped-log.ts";
import { Fleet } from "./fleet.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const MOVES = IS_FULL ? 20 : 3;
const KILLS = IS_FULL ? 5 : 2;
const CONNECTS = IS_FULL ? 1_000 : 120;
const PARTITIONS = 12;
const PER_SECOND = 60;
const TEST_MS = IS_FULL ? 3_600_000 : 240_000;
const PATIENCE_MS = 90_000;

const OWNED = "millrace_partition_owned";
const LAG = "millrace_tail_lag_records";

/** Reads that never end, one after the other. */
const STUCK_READS = 3;

let end: (() => Promise<void>) | undefined;

afterEach(async () => {
  await end?.();
  end = undefined;
});

async function openFleet(edges: number): Promise<Fleet> {
  const redis = await RedisServer.start();
  const fleet = await Fleet.open({ brokers: inject("kafkaBrokers"), edges, redis });
  end = () => fleet.close();
  return fleet;
}

/** One edge leaves, in turn by SIGTERM and by kill -9, and comes back. */
async function move(fleet: Fleet, index: number, isKilled: boolean): Promise<void> {
  if (isKilled) await fleet.edge(index).kill();
  else expect(await fleet.edge(index).terminate()).toBe(0);
  await fleet.spawn(index);
}

// C-050
it(
  "A partition that stops moving is noticed and put right without help",
  async () => {
    const fleet = await openFleet(2);
    const load = await fleet.load({ perSecond: PER_SECOND });
    for (let time = 0; time < MOVES; time++) {
      await move(fleet, time % 2, time % 3 === 0);
      await load.whenReceived(PER_SECOND);
    }
    expect((await load.judge()).offences).toEqual([]);
  },
  TEST_MS,
);

interface Standstill {
  /** The one partition whose reads are not answered as they should; -1: none. */
  partition: number;
  /** Reads that were not answered so. */
  count: number;
}

/** Two edges, one of them here, on a log that answers that partition's reads by `read`. */
async function standstillOn(
  delivery: Delivery,
  read: (request: ReadRequest, log: Log) => Promise<ReadOutcome>,
) {
  const redis = await RedisServer.start();
  const stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: redis.url });
  end = async () => {
    await stage.close();
    await redis.stop();
  };
  await stage.makeTopic();
  const inner = stage.kafkaLog();
  const stuck: Standstill = { partition: -1, count: 0 };
  const log = wrappedLog(inner, {
    readFrom: (request) => {
      if (request.partition !== stuck.partition) return inner.readFrom(request);
      stuck.count += 1;
      return read(request, inner);
    },
  });
  const env = deliveredBy(delivery);
  const edge = await stage.start("edge-1", { log }, env);
  const other = await stage.spawn("edge-2", { env });
  const partition = await ownPartition(edge, delivery);
  const c = roomIn(partition, PARTITIONS);
  const [reader, writer] = [await stage.connect(edge, "reader"), await stage.connect(other, "w")];
  await subscribe(reader, c, "live");
  await publish(writer, c, ["m0"]);
  await whenHas(reader, c, ["m0"]);
  stuck.partition = partition;
  await waitFor(() => stuck.count > 0, { what: "the first of the reads" });
  await publish(writer, c, bodiesFrom(1, 20));
  return { edge, reader, c, partition };
}

/** Everything came without help. */
async function whenHealed(reader: RawClient, c: string): Promise<void> {
  const bodies = bodiesFrom(0, 20);
  const isThere = (): boolean => reader.bodies(c).length >= bodies.length;
  await waitFor(isThere, { what: "all messages, without help", timeoutMs: PATIENCE_MS });
  await whenHas(reader, c, bodies);
}

// C-050, C-069
describe.each(DELIVERIES)("with delivery %s", (delivery) => {
  it("reads that never end are given up, seen, and done again", async () => {
    let left = STUCK_READS;
    const stood = await standstillOn(delivery, (request, log) =>
      left-- > 0 ? new Promise(() => undefined) : log.readFrom(request),
    );
    const { edge, reader, c, partition } = stood;
    const seen = async (): Promise<boolean> => {
      const answer = await fetch(`http://127.0.0.1:${edge.port}/readyz`);
      expect(answer.status).toBe(200);
      const { stalledPartitions = [] } = (await answer.json()) as { stalledPartitions?: number[] };
      return stalledPartitions.includes(partition);
    };
    // In relay mode what the relay brings makes up for it before it is a standstill.
    if (delivery === "direct") {
      await waitFor(seen, { what: "the standstill is shown", timeoutMs: PATIENCE_MS });
      const stalled = await byPartition(edge, "millrace_tail_stalled_seconds");
      const moving = [...stalled].filter(([, seconds]) => seconds === 0);
      expect([stalled.get(partition), moving.length]).toEqual([
        expect.toSatisfy((seconds: number) => seconds > 1),
        PARTITIONS - 1,
      ]);
    }
    await whenHealed(reader, c);
    await waitFor(async () => !(await seen()), { what: "it is over" });
  }, 180_000);

  it("long polls that bring nothing of a log that goes on are not believed for ever", async () => {
    const { reader, c } = await standstillOn(delivery, async (request, log) => {
      if (request.waitMs === 0) return log.readFrom(request);
      await sleep(request.waitMs);
      const { offset, epoch, partition } = request;
      const place = { epoch, partition, from: offset, next: offset, endOffset: offset };
      return { kind: "chunk", ...place, records: [], bytes: 0 };
    });
    await whenHealed(reader, c);
  }, 180_000);
});

/** In relay mode one that the edge owns, so that nobody relays it to this edge. */
async function ownPartition(
  edge: { readonly metrics: string },
  delivery: Delivery,
): Promise<number> {
  if (delivery === "direct") return 7;
  const mine = async (): Promise<number[]> => [...(await byPartition(edge, OWNED)).keys()];
  const isShared = async (): Promise<boolean> => (await mine()).length === PARTITIONS / 2;
  await waitFor(isShared, { what: "two share the partitions", timeoutMs: PATIENCE_MS });
  return must((await mine())[0], "a partition of its own");
}

/** Connections to that port that the system has. */
function socketsAt(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return ["/proc/net/tcp", "/proc/net/tcp6"]
    .flatMap((file) => readFileSync(file, "utf8").split("\n"))
    .filter((line) => new RegExp(String.raw`^\s*\d+: [0-9A-F]+:${hex} \S+ 01 `).test(line)).length;
}

/** In each way in which a connection may end, or fail to begin. */
async function comeAndGo(stage: EdgeStage, edge: EdgeProcess, number: number): Promise<void> {
  const way = number % 4;
  if (way === 3) {
    const socket = connect(edge.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("GET /v1/connect HTTP/1.1\r\n");
    await new Promise((resolve) => socket.once("connect", resolve));
    return void socket.resetAndDestroy();
  }
  const client = await stage.connect(edge, `guest-${number}`);
  await subscribe(client, `room:${number % 5}`, "live");
  if (way === 0) client.close(1000);
  else if (way === 1) client.terminate();
  else client.send("this is no frame" as never);
}

/** What the edges say, and how many connections the system has to each of them. */
async function gaugesOf({ edges }: Fleet) {
  const owned = await Promise.all(edges.map((edge) => byPartition(edge, OWNED)));
  const lags = await Promise.all(edges.map((edge) => byPartition(edge, LAG)));
  const connections = await Promise.all(
    edges.map((edge) => metricOf(edge, "millrace_connections")),
  );
  return {
    owned: owned.flatMap((each) => [...each.keys()]).toSorted((a, b) => a - b),
    lags: lags.flatMap((each) => [...each.values()]),
    connections,
    // One of them is the edge's own, with itself.
    sockets: edges.map(({ port }) => socketsAt(port) - 1),
  };
}

// C-069
it(
  "The gauges tell the truth after crashes and rebalances",
  async () => {
    const fleet = await openFleet(3);
    const load = await fleet.load({ perSecond: PER_SECOND });
    for (let time = 0; time < KILLS + MOVES; time++) {
      await move(fleet, time % 3, time < KILLS);
      await load.whenReceived(PER_SECOND);
    }
    for (let number = 0; number < CONNECTS; number++) {
      await comeAndGo(fleet.stage, fleet.edge(number % 3), number);
    }
    const stays = await fleet.stage.connect(fleet.edge(0), "stays");
    await subscribe(stays, "room:quiet", "live");
    expect((await load.judge()).offences).toEqual([]);

    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    await waitFor(
      async () => {
        const { owned, lags, connections, sockets } = await gaugesOf(fleet);
        expect(lags.every((lag) => lag >= 0)).toBe(true);
        return (
          isDeepStrictEqual(owned, partitions) &&
          lags.every((lag) => lag === 0) &&
          isDeepStrictEqual(connections, sockets)
        );
      },
      { what: "gauges that agree with the system", timeoutMs: PATIENCE_MS },
    ).catch(async (cause: unknown) => {
      throw new Error(JSON.stringify(await gaugesOf(fleet)), { cause });
    });
    expect(await metricOf(fleet.edge(0), "millrace_connections")).toBe(1);
  },
  TEST_MS,
);
