import { assert, must } from "@millrace/runtime";
import { MemoryTopic } from "@millrace/log";
import { type From, parsePosition } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import * as fc from "fast-check";
import { AckBook } from "./ack-book.ts";
import {
  CLIENTS,
  EDGES,
  type Resume,
  type Setting,
  type Step,
  setting,
  step,
} from "./delivery-steps.ts";
import { DeliveryWorld } from "./delivery-world.ts";
import { MemoryBlockStore } from "./memory-block-store.ts";
import { MemoryCursorStore, StoreLink } from "./memory-cursor-store.ts";
import { MessageArchive, positionOf } from "./message-archive.ts";
import type { TestClient } from "./test-client.ts";

/** As many as a topic of a history may have. */
const PARTITIONS_MAX = 3;

/** One edge of the history, and what ties it to the others. */
interface EdgeSeat {
  world: DeliveryWorld;
  link: StoreLink;
}

/** A client's place: its connections come and go, its session stays. */
interface ClientSeat {
  client: TestClient;
  edge: number;
  readonly book: AckBook;
}

/**
 * One history: two edges on one log, and clients that judge all they are told. Whatever happens,
 * each of them sees a log without a hole, and once everything is at rest it has all of it.
 */
class DeliveryHistory {
  readonly #setting: Setting;
  readonly #clock = new FakeClock();
  readonly #topic: MemoryTopic;
  readonly #archive = new MessageArchive();
  readonly #store = new MemoryCursorStore();
  readonly #blocks = new MemoryBlockStore();
  readonly #edges: EdgeSeat[] = [];
  readonly #seats: ClientSeat[] = [];
  readonly #pauses = new Set<number>();
  #asked = 0;

  constructor(given: Setting) {
    this.#setting = given;
    this.#topic = new MemoryTopic({ clock: this.#clock, partitions: given.partitions });
  }

  async start(): Promise<void> {
    for (let index = 0; index < EDGES; index++) this.#edges.push(this.#openEdge());
    await this.#clock.advance(200);
    for (let index = 0; index < CLIENTS; index++) {
      const book = new AckBook(`s${index}`);
      const edge = index % EDGES;
      this.#seats.push({ client: this.#connect(edge, book), edge, book });
    }
  }

  async take(action: Step): Promise<void> {
    const { world } = this.#edge(0);
    switch (action.kind) {
      case "append":
        return world.append(action.conversation, ...action.bodies.map((size) => "x".repeat(size)));
      case "undecodable": {
        const foreign = { key: Buffer.from(action.conversation), value: Buffer.from("no frame") };
        this.#topic.appendForeign(world.partition(action.conversation), [foreign]);
        return;
      }
      case "hole":
        return this.#topic.appendHoles(world.partition(action.conversation), 1);
      case "settle":
        return this.#clock.settle();
      case "advance":
        return this.#clock.advance(action.byMs);
      case "available":
        return this.#topic.setAvailable(world.partition(action.conversation), action.is);
      case "paused":
        return this.#pause(world.partition(action.conversation), action.is);
      case "behind":
        return this.#leadFrom(world.partition(action.conversation), action.by);
      case "retain":
        return this.#retain(world.partition(action.conversation), BigInt(action.share));
      case "recreate":
        this.#topic.recreate({ partitions: action.partitions });
        return;
      case "store":
        this.#store.isAway = action.isAway;
        return;
      case "blocks":
        if (action.are === "lost") this.#blocks.blocks.clear();
        else this.#blocks.isAway = action.are === "away";
        return;
      case "kill":
        return this.#kill(action.edge, action.how);
      case "subscribe":
      case "unsubscribe":
      case "skip":
      case "stall":
      case "flow":
      case "drain":
      case "ack":
      case "reconnect":
        return this.#takeOf(must(this.#seats[action.client], "a client"), action);
    }
  }

  /** Everything comes to rest, and everybody has everything. */
  async finish(): Promise<void> {
    this.#store.isAway = false;
    for (let partition = 0; partition < PARTITIONS_MAX; partition++) this.#pause(partition, false);
    for (const { world } of this.#edges) await world.rest();
    for (const { client } of this.#seats) {
      client.view.expectArrived();
      const { limits } = this.#edge(0).world;
      // Docs: the bound, plus one frame; the largest here is under 1,000 bytes.
      const isBounded = client.socket.bufferedBytesPeak < limits.bufferedBytesMax + 1_000;
      assert(isBounded, `${client.socket.bufferedBytesPeak} bytes were buffered`);
    }
    for (const { world } of this.#edges) {
      await world.stop();
      assert(world.offence === undefined, world.offence ?? "");
      assert(world.hubs.size === 0, `${world.hubs.size} hubs are left`);
    }
  }

  #edge(index: number): EdgeSeat {
    return must(this.#edges[index], "an edge");
  }

  #openEdge(): EdgeSeat {
    const { latencies } = this.#setting;
    const link = new StoreLink(this.#store);
    const world = new DeliveryWorld({
      clock: this.#clock,
      topic: this.#topic,
      archive: this.#archive,
      blocks: this.#blocks,
      pauses: this.#pauses,
      store: link,
      latencyMs: () => latencies[this.#asked++ % latencies.length] ?? 0,
    });
    // Its clients come before it has reached the log, as after a restart.
    void world.log.open();
    return { world, link };
  }

  #connect(edge: number, book: AckBook): TestClient {
    return this.#edge(edge).world.connect(this.#setting.capacityBytes, book);
  }

  /** What is still buffered never comes; the new connection resumes from what did. */
  #reconnect(seat: ClientSeat, edge: number, how: Resume): void {
    const { client: before } = seat;
    before.close();
    seat.edge = edge;
    const next = this.#connect(edge, seat.book);
    seat.client = next;
    if (how === "restore") {
      for (const [text, start] of before.starts) next.restore(text, start);
      return;
    }
    for (const [text, { told }] of before.view.deliveries) {
      next.subscribe(text, how === "told" ? after(told) : { kind: "acked" });
    }
  }

  #kill(index: number, how: Resume): void {
    const { world, link } = this.#edge(index);
    link.isCut = true;
    world.kill();
    this.#edges[index] = this.#openEdge();
    for (const seat of this.#seats) {
      if (seat.edge === index) this.#reconnect(seat, (index + 1) % EDGES, how);
    }
  }

  #takeOf(seat: ClientSeat, action: Extract<Step, { client: number }>): void {
    const { client: one } = seat;
    switch (action.kind) {
      case "subscribe":
        return one.subscribe(action.conversation, this.#from(one, action));
      case "unsubscribe":
        return one.unsubscribe(action.conversation);
      case "skip":
        return one.skip(action.conversation);
      case "stall":
        return one.socket.stall();
      case "flow":
        return one.flow();
      case "drain":
        return one.drain(action.bytes);
      case "ack": {
        const positions = one.view.positions(action.conversation);
        for (const back of action.backs) {
          const text = positions.at(-1 - back);
          if (text !== undefined) one.ack(action.conversation, positionOf(text));
        }
        return;
      }
      case "reconnect":
        return this.#reconnect(seat, action.edge, action.how);
    }
  }

  #from(one: TestClient, action: Extract<Step, { kind: "subscribe" }>): From {
    const { from } = action;
    switch (from.kind) {
      case "live":
      case "earliest":
      case "acked":
        return { kind: from.kind };
      case "last":
        return { kind: "last", count: from.count };
      case "told": {
        const positions = one.view.positions(action.conversation);
        const text = positions[from.index % Math.max(1, positions.length)];
        return text === undefined ? { kind: "live" } : after(text);
      }
      case "time":
        return { kind: "time", timeMs: this.#clock.wallMs() - from.agoMs };
      case "ahead": {
        const partition = this.#edge(0).world.partition(action.conversation);
        const { endOffset } = this.#topic.range(partition);
        const { id } = this.#topic.epoch;
        return after(`${id}.${partition}.${endOffset + BigInt(from.by)}`);
      }
    }
  }

  /** A leader that does not know the newest few, or one that knows all. */
  #leadFrom(partition: number, by: number | undefined): void {
    const { endOffset } = this.#topic.range(partition);
    this.#topic.pretendEnd(partition, by === undefined ? by : endOffset - BigInt(by));
  }

  /** On every edge that there is, as by an order. */
  #pause(partition: number, is: boolean): void {
    if (is) this.#pauses.add(partition);
    else this.#pauses.delete(partition);
    for (const { world } of this.#edges) world.tails.obeyPauses();
  }

  #retain(partition: number, share: bigint): void {
    const { startOffset, endOffset } = this.#topic.range(partition);
    this.#topic.deleteBefore(partition, startOffset + (endOffset - startOffset) / share);
  }
}

function after(text: string): From {
  return { kind: "after", text, position: must(parsePosition(text), "a position") };
}

/** Many histories, each from the beginning; the first that breaks a promise ends it. */
export function checkDelivery(options: {
  readonly runs: number;
  /** Makes the history that failed as short as it can be. */
  readonly isShrunk: boolean;
}): Promise<fc.RunDetails<[Setting, Step[]]>> {
  const { runs: numRuns, isShrunk } = options;
  const histories = fc.array(step, { maxLength: 120, size: "max" });
  const property = fc.asyncProperty(setting, histories, async (given, steps) => {
    const history = new DeliveryHistory(given);
    await history.start();
    for (const action of steps) await history.take(action);
    await history.finish();
  });
  return fc.check(property, { numRuns, endOnFailure: !isShrunk });
}
