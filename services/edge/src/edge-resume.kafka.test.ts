import { type Client, connect } from "@millrace/client/node";
import { delay, must, systemClock } from "@millrace/runtime";
import { parsePosition, partitionOf } from "@millrace/schemas";
import { encodeMessage } from "@millrace/schemas/record";
import { TcpProxy, waitFor, withAdmin, withProducer } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { delayedLog } from "./testing/delayed-log.ts";
import { DELIVERIES, type Delivery, edgesFor, whenSomeRelayed } from "./testing/deliveries.ts";
import {
  EdgeStage,
  type LocalEdge,
  bodiesFrom,
  publish,
  subscribe,
  whenHas,
} from "./testing/edge-stage.ts";
import { foreignMessage } from "./testing/foreign-message.ts";
import type { RawClient } from "./testing/raw-client.ts";

const PARTITIONS = 12;

let stage: EdgeStage;
let brokers: string[];

beforeEach(async () => {
  brokers = inject("kafkaBrokers");
  stage = await EdgeStage.open({ brokers, redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

function partitionOfRoom(c: string): number {
  return partitionOf(Buffer.from(c), PARTITIONS);
}

/** So many conversations of that partition. */
function roomsOf(partition: number, count: number): string[] {
  const rooms: string[] = [];
  for (let index = 0; rooms.length < count; index++) {
    if (partitionOfRoom(`room:${index}`) === partition) rooms.push(`room:${index}`);
  }
  return rooms;
}

function offsetIn(position: string | undefined): number {
  return Number(parsePosition(position)?.offset);
}

describe("where history ends and live begins", () => {
  // C-009
  it("History runs into live without a hole or a repeat", async () => {
    const c = "room:seam";
    await stage.makeTopic();
    const log = delayedLog(stage.kafkaLog(), ({ waitMs }) => (waitMs === 0 ? 500 : 0));
    const edge = await stage.start("edge-1", { log });
    const writer = await stage.connect(edge, "writer");
    const all = bodiesFrom(0, 400);
    const publishing = (async () => {
      for (let index = 0; index < all.length; index += 10) {
        await Promise.all([
          publish(writer, c, all.slice(index, index + 10)),
          delay(systemClock, 50),
        ]);
      }
    })();
    const readers = Array.from({ length: 50 }, async (_, index) => {
      await delay(systemClock, (index * 997) % 2_000);
      const reader = await stage.connect(edge, `reader-${index}`);
      await subscribe(reader, c, "earliest");
      return reader;
    });
    await publishing;
    for (const reader of await Promise.all(readers)) await whenHas(reader, c, all);
  });
});

/** An edge that is relayed to must read for a moment before it takes the first key. */
const UNKEYED = { isKeyed: false };

function startFor(delivery: Delivery, name: string): Promise<LocalEdge[]> {
  return edgesFor(delivery, (edge, env) => stage.start(`${name}-${edge}`, {}, env));
}

describe.each(DELIVERIES)("what the log has lost, with %s delivery", (delivery) => {
  // C-011
  it("What can no longer be replayed is announced before anything else arrives", async () => {
    const c = "room:expired";
    const [edge] = await startFor(delivery, "edge");
    const writer = await stage.connect(must(edge, "an edge"), "writer");
    const { pos: start = "" } = await subscribe(writer, c, "live");
    await publish(writer, c, bodiesFrom(1, 101), UNKEYED);
    const left = start.replace(/\d+$/, "10");
    const partitions = [{ partition: partitionOfRoom(c), offset: "50" }];
    const { topic } = stage;
    await withAdmin(brokers, async (admin) => {
      // Without having asked about the topic before, kafkajs knows of no leader to send it to.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions });
    });

    // Others, which have nothing of it in memory.
    for (const other of await startFor(delivery, "other")) {
      const back = await stage.connect(other, "reader");
      const subscribed = await subscribe(back, c, { after: left });
      expect(subscribed.pos).toBe(left);
      await back.next(({ t }) => t === "live", "all that is left");
      const [, first] = back.frames.filter((frame) => frame.c === c);
      const pos = left.replace(/\d+$/, "50");
      expect(first).toMatchObject({ t: "gap", after: left, pos, reason: "expired" });
      expect(back.bodies(c)).toEqual(bodiesFrom(51, 101));
      expect(back.offence).toBeUndefined();
      const gaps = await other.edge.metrics.gaps.get();
      expect(gaps.values).toEqual([
        expect.objectContaining({ labels: { reason: "expired" }, value: 1 }),
      ]);

      const seen: string[] = [];
      const client = sdk(other.ws);
      client.subscribe(c, {
        from: { after: left },
        onGap: ({ reason }) => void seen.push(reason),
        onMessage: ({ body }) => void seen.push(body),
      });
      await waitFor(() => seen.length >= 51, { what: "the rest by the SDK" });
      expect(seen).toEqual(["expired", ...bodiesFrom(51, 101)]);
      client.close();
    }
  });

  // C-012
  it("A position from a topic that was rebuilt is recognised and never trusted", async () => {
    const c = "room:rebuilt";
    const edges = await startFor(delivery, "edge");
    const comeBack = async (after: string): Promise<RawClient[]> => {
      const clients = await Promise.all(edges.map((edge) => stage.connect(edge, "reader")));
      for (const client of clients) await subscribe(client, c, { after });
      return clients;
    };
    const writer = await stage.connect(must(edges[0], "an edge"), "writer");
    const { pos: start = "" } = await subscribe(writer, c, "live");
    const readers = await comeBack(start);
    await publish(writer, c, bodiesFrom(0, 250), UNKEYED);
    await whenSomeRelayed(edges);
    await publish(writer, c, bodiesFrom(250, 500), UNKEYED);
    for (const reader of readers) {
      await whenHas(reader, c, bodiesFrom(0, 500));
      reader.terminate();
    }
    const left = must(readers[0]?.position(c), "a position");
    expect(offsetIn(left)).toBe(500);

    await rebuildTopic();
    await publishPatiently(writer, c, newBodies(0, 20));
    const early = await comeBack(left);
    for (const client of early) await whenHas(client, c, newBodies(0, 20));
    await publish(writer, c, newBodies(20, 620), UNKEYED);
    for (const client of early) await whenHas(client, c, newBodies(0, 620));
    // The new log has grown past the old position by now.
    const late = await comeBack(left);
    for (const client of late) await whenHas(client, c, newBodies(0, 620));
    for (const client of [...early, ...late]) {
      const gaps = client.frames.filter(({ t }) => t === "gap");
      expect(gaps).toEqual([expect.objectContaining({ after: left, reason: "recreated" })]);
    }
  });
});

/** A topic that was just made needs a moment: what surely was not stored is sent again. */
async function publishPatiently(
  client: RawClient,
  c: string,
  bodies: readonly string[],
): Promise<void> {
  for (const body of bodies) {
    const isStored = async (): Promise<boolean> => {
      const answer = await client.request({ t: "pub", c, body });
      if (answer.t !== "pubd" && answer.code !== "unavailable") throw new Error(answer.code);
      return answer.t === "pubd";
    };
    await waitFor(isStored, { what: `${body} is stored` });
  }
}

describe("many conversations on one socket", () => {
  // C-014
  it("Each conversation resumes from its own position", async () => {
    await stage.makeTopic();
    const partitions = [0, 1, 2, 3, 4, 5];
    const held = 3;
    const log = delayedLog(stage.kafkaLog(), ({ partition }) => (partition === held ? 2_000 : 0));
    const edge = await stage.start("edge-1", { log });
    const rooms = partitions.flatMap((partition) => roomsOf(partition, 4)).slice(0, 21);
    const [silent = "", ...speaking] = rooms;
    const writer = await stage.connect(edge, "writer");
    await publish(writer, silent, bodiesFrom(0, 100));
    const resuming = new ResumingReader(edge.ws, rooms);
    await resuming.connect();
    await waitFor(() => resuming.bodies(silent).length === 100, {
      what: "the silent one's history",
    });

    const all = bodiesFrom(0, 40);
    const publishing = (async () => {
      for (const body of all) {
        const each = speaking.map((c) => publish(writer, c, [body]));
        await Promise.all([...each, delay(systemClock, 200)]);
      }
    })();
    for (let cut = 0; cut < 50; cut++) {
      await delay(systemClock, (cut * 61) % 320);
      await resuming.connect();
    }
    await publishing;
    await waitFor(() => speaking.every((c) => resuming.bodies(c).length >= all.length), {
      what: "all of all conversations",
    });
    for (const c of speaking) expect([c, ...resuming.bodies(c)]).toEqual([c, ...all]);
    expect(resuming.bodies(silent)).toHaveLength(100);
    expect(resuming.offences).toEqual([]);
    resuming.end();
  });

  /** One client over many connections: the positions are all that it takes from one to the next. */
  class ResumingReader {
    readonly #ws: string;
    readonly #rooms: readonly string[];
    readonly #positions = new Map<string, string>();
    readonly #past: RawClient[] = [];
    #client: RawClient | undefined;

    constructor(ws: string, rooms: readonly string[]) {
      this.#ws = ws;
      this.#rooms = rooms;
    }

    get offences(): string[] {
      return [...this.#past, must(this.#client, "a client")]
        .map(({ offence }) => offence)
        .filter((offence) => offence !== undefined);
    }

    bodies(c: string): string[] {
      const clients = [...this.#past, ...(this.#client ? [this.#client] : [])];
      return clients.flatMap((client) => client.bodies(c));
    }

    async connect(): Promise<void> {
      this.end();
      this.#client = await stage.connect({ ws: this.#ws }, "reader");
      for (const [index, c] of this.#rooms.entries()) {
        const after = this.#positions.get(c);
        const from = after === undefined ? "earliest" : { after };
        this.#client.send({ t: "sub", id: 1_000 + index, c, from });
      }
    }

    end(): void {
      const client = this.#client;
      if (client === undefined) return;
      client.terminate();
      client.isDeaf = true;
      for (const c of this.#rooms) {
        const position = client.position(c);
        if (position !== undefined) this.#positions.set(c, position);
      }
      this.#past.push(client);
      this.#client = undefined;
    }
  }
});

describe("a partition with offsets that are no messages", () => {
  // C-015
  it("Missing offset numbers are not missing messages", async () => {
    const partition = 7;
    const rooms = roomsOf(partition, 3);
    const edge = await stage.start("edge-1");
    const writer = await stage.connect(edge, "writer");
    const stored: { readonly c: string; readonly body: string; readonly offset: number }[] = [];
    const publishRound = async (round: number): Promise<void> => {
      for (const c of rooms) {
        const body = `${c} ${round}`;
        const { pos } = await writer.request({ t: "pub", c, body });
        stored.push({ c, body, offset: offsetIn(pos) - 1 });
      }
    };
    for (let round = 0; round < 3; round++) await publishRound(round);
    await withProducer(
      brokers,
      async (producer) => {
        const committed = await producer.transaction();
        const texts = rooms.slice(0, 2).map((c) => ({ c, body: `${c} by a transaction` }));
        const [first] = await committed.send(foreign(partition, texts));
        await committed.commit();
        const base = Number(first?.baseOffset);
        stored.push(...texts.map((text, index) => ({ ...text, offset: base + index })));
        const aborted = await producer.transaction();
        await aborted.send(
          foreign(
            partition,
            rooms.map((c) => ({ c, body: "never" })),
          ),
        );
        await aborted.abort();
      },
      `transaction-${stage.topic}`,
    );
    // The log ends with offsets that are no messages, and the tail has heard so.
    const abortedMs = performance.now();
    const hasHeard = async (): Promise<boolean> =>
      (await gaugeOf("tailSilence")) * 1_000 < performance.now() - abortedMs;
    await waitFor(hasHeard, { what: "the tail hears of the log's end" });
    await waitFor(async () => (await gaugeOf("tailLag")) === 0, { what: "no lag behind the end" });
    for (let round = 3; round < 5; round++) await publishRound(round);
    const end = must(stored.at(-1), "a message").offset + 1;
    // Two markers, and three records that were taken back.
    expect(end).toBe(stored.length + 5);
    await waitFor(async () => (await gaugeOf("tailLag")) === 0, { what: "no lag at last" });

    async function gaugeOf(name: "tailLag" | "tailSilence"): Promise<number> {
      const { values } = await edge.edge.metrics[name].get();
      const own = values.find(({ labels }) => labels.partition === partition);
      return must(own, "the partition's gauge").value;
    }

    const epoch = must(
      (await subscribe(writer, must(rooms[0], "a room"), "live")).pos,
      "a position",
    );
    for (let offset = 0; offset <= end; offset++) {
      const after = epoch.replace(/\.\d+\.\d+$/, `.${partition}.${offset}`);
      const reader = await stage.connect(edge, `reader-${offset}`);
      for (const c of rooms) expect((await subscribe(reader, c, { after })).pos).toBe(after);
      for (const c of rooms) {
        await reader.next((frame) => frame.t === "live" && frame.c === c, `live in ${c}`);
        const wanted = stored.filter((message) => message.c === c && message.offset >= offset);
        await whenHas(
          reader,
          c,
          wanted.map(({ body }) => body),
        );
      }
      expect(reader.frames.filter(({ t }) => t === "gap")).toEqual([]);
      reader.terminate();
    }
  });
});

describe("the SDK on a line that breaks in the middle of a catch-up", () => {
  // C-016
  it("The resume point is the end of the unbroken run, not the newest message seen", async () => {
    const c = "room:run";
    await stage.makeTopic();
    let isSlow = false;
    const log = delayedLog(stage.kafkaLog(), ({ waitMs }) => (isSlow && waitMs === 0 ? 200 : 0));
    // One message a read.
    const limits = { ...LIMITS, readBytes: 1, catchUpBytes: 1 };
    const edge = await stage.start("edge-1", { log, limits });
    const proxy = await TcpProxy.start({ targetPort: edge.port });
    stage.atEnd(() => proxy.close());
    const writer = await stage.connect(edge, "writer");
    const one = async (first: number, end: number): Promise<void> => {
      for (const body of bodiesFrom(first, end)) await publish(writer, c, [body]);
    };

    const seen: string[] = [];
    const client = sdk(`ws://127.0.0.1:${proxy.port}/v1/connect`, "phone");
    const subscription = client.subscribe(c, {
      from: "earliest",
      isAutoAcknowledged: true,
      onMessage: ({ body }) => void seen.push(body),
    });
    await one(1, 11);
    await waitFor(() => seen.length === 10, { what: "the first ten" });
    await waitFor(async () => (await ackedOffset()) === 10, { what: "ten acknowledged" });
    proxy.refuse(true);
    proxy.cutAll();
    await one(11, 21);
    isSlow = true;
    proxy.refuse(false);
    await waitFor(() => seen.length >= 12, { what: "a part of the catch-up" });
    await one(21, 26);
    proxy.refuse(true);
    proxy.cutAll();
    await waitFor(() => client.state.kind !== "ready", { what: "the second cut" });
    const run = seen.length;
    expect(run).toBeLessThan(20);
    expect(seen).toEqual(bodiesFrom(1, run + 1));
    expect(offsetIn(subscription.position)).toBe(run);
    expect(await ackedOffset()).toBeLessThanOrEqual(run);
    proxy.refuse(false);
    await waitFor(() => seen.length >= 25, { what: "everything" });
    expect(seen).toEqual(bodiesFrom(1, 26));
    client.close();

    async function ackedOffset(): Promise<number> {
      const asking = await stage.connect(edge, "sdk", "phone");
      const { pos } = await subscribe(asking, c, "acked");
      asking.terminate();
      return offsetIn(pos);
    }
  });
});

function sdk(url: string, device?: string): Client {
  return connect({
    url,
    token: () => stage.issuer.token({ sub: "sdk" }),
    ...(device !== undefined && { device }),
  });
}

function newBodies(first: number, end: number): string[] {
  return bodiesFrom(first, end).map((body) => `new ${body}`);
}

async function rebuildTopic(): Promise<void> {
  const { topic } = stage;
  await withAdmin(brokers, async (admin) => {
    await admin.deleteTopics({ topics: [topic] });
    const isGone = async () => !(await admin.listTopics()).includes(topic);
    await waitFor(isGone, { what: "the topic is gone" });
  });
  await stage.makeTopic();
}

function foreign(
  partition: number,
  texts: readonly { readonly c: string; readonly body: string }[],
) {
  const messages = texts.map(({ c, body }) => ({
    partition,
    key: c,
    value: Buffer.from(encodeMessage(foreignMessage(c, body))),
  }));
  return { topic: stage.topic, messages };
}
