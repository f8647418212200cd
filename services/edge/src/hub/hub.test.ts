import type { LogRecord } from "@millrace/log";
import { silentLogger } from "@millrace/runtime";
import type { ConversationId, EpochId } from "@millrace/schemas";
import { encodeMessage } from "@millrace/schemas/record";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { Flusher } from "../connection/flusher.ts";
import { Outbox } from "../connection/outbox.ts";
import type { Socket, Writer } from "../connection/socket.ts";
import { LIMITS } from "../limits.ts";
import { createMetrics } from "../metrics.ts";
import { Hubs } from "./hubs.ts";
import { Subscriber } from "./subscriber.ts";
import { told } from "./told.ts";

const EPOCH = "mem-0000" as EpochId;
const ROOM = "room:a" as ConversationId;

function record(offset: number, body: string, key = ROOM): LogRecord {
  const value = encodeMessage({
    id: body,
    conversation: key,
    sender: "bob",
    recipient: null,
    group: key,
    key: null,
    contentType: "text/plain",
    content: body,
    meta: {},
    ref: null,
    op: null,
    sentAt: 0n,
  });
  return { offset: BigInt(offset), timestampMs: 0, key: Buffer.from(key), value, headers: [] };
}

type Sent = Readonly<Record<string, string>>;

function isBatch([first]: Uint8Array): boolean {
  return first === 0x5b;
}

function setUp() {
  const clock = new FakeClock();
  const metrics = createMetrics();
  const hubs = new Hubs(silentLogger, metrics);
  const flusher = new Flusher(clock, 100);
  /** A live subscriber that was told everything before `from`, and the frames it was sent. */
  const join = (from: number, conversation = ROOM, partition = 0) => {
    const frames: Uint8Array[] = [];
    const socket = {
      // A batch is only there until the next one.
      send: (frame: Uint8Array) => (frames.push(isBatch(frame) ? frame.slice() : frame), "sent"),
      ping: () => undefined,
      bufferedBytes: () => 0,
      cork: (writer: Writer) => writer.write(),
      close: () => undefined,
      terminate: () => undefined,
    } as Socket;
    const outbox = new Outbox(socket, { limits: LIMITS, flusher }, { onOverflow: () => undefined });
    const start = told(EPOCH, partition, BigInt(from));
    const lags: bigint[] = [];
    const onLag = (lagging: Subscriber): unknown => lags.push(lagging.told.offset);
    const subscriber = new Subscriber({ conversation, start, outbox, onLag });
    subscriber.join(hubs.current(subscriber, start));
    const steps = (): string[] =>
      frames
        .map((frame) => JSON.parse(Buffer.from(frame).toString()) as Sent | Sent[])
        .flat()
        .map(({ prev, pos }) => `${prev?.split(".")[2]}→${pos?.split(".")[2]}`);
    return { subscriber, frames, lags, steps };
  };
  return { clock, metrics, hubs, join };
}

describe("a hub", () => {
  it("encodes a message once for all who were told the same before", async () => {
    const { clock, hubs, join } = setUp();
    const [first, second] = [join(3), join(3)];
    hubs.deliver(record(3, "one"), EPOCH, 0);
    // Each in a turn of its own, or they would leave as one batch.
    await clock.settle();
    hubs.deliver(record(7, "two"), EPOCH, 0);
    await clock.settle();
    expect(first.steps()).toEqual(["3→4", "4→8"]);
    expect(first.frames[0]).toBe(second.frames[0]);
    expect(first.frames[1]).toBe(second.frames[1]);
  });

  it("makes one copy for who was told more than the hub, and shares again from then on", async () => {
    const { clock, hubs, join } = setUp();
    const [first, ahead] = [join(3), join(5)];
    for (const offset of [3, 4, 6, 9]) {
      hubs.deliver(record(offset, "text"), EPOCH, 0);
      await clock.settle();
    }
    expect(first.steps()).toEqual(["3→4", "4→5", "5→7", "7→10"]);
    expect(ahead.steps()).toEqual(["5→7", "7→10"]);
    expect(ahead.frames[1]).toBe(first.frames[3]);
  });

  it("delivers no record twice, in case a source hands it on again", async () => {
    const { clock, metrics, hubs, join } = setUp();
    const { steps } = join(0);
    for (const offset of [0, 1, 0, 1, 2]) hubs.deliver(record(offset, "text"), EPOCH, 0);
    await clock.settle();
    expect(steps()).toEqual(["0→1", "1→2", "2→3"]);
    expect((await metrics.deliveries.get()).values[0]?.value).toBe(3);
  });

  it("steps over what is no message, and hands on nothing of another conversation", async () => {
    const { clock, metrics, hubs, join } = setUp();
    const { steps } = join(0);
    const broken = { ...record(0, "text"), value: Buffer.from("no message") };
    hubs.deliver(broken, EPOCH, 0);
    hubs.deliver({ ...record(1, "text"), value: null }, EPOCH, 0);
    hubs.deliver({ ...record(2, "text"), key: null }, EPOCH, 0);
    hubs.deliver({ ...record(3, "text"), key: Buffer.from([0xff]) }, EPOCH, 0);
    hubs.deliver(record(4, "text", "room:b" as ConversationId), EPOCH, 0);
    // The same key in a partition that is not the conversation's.
    hubs.deliver(record(5, "text"), EPOCH, 1);
    hubs.deliver(record(6, "text"), EPOCH, 0);
    await clock.settle();
    expect(steps()).toEqual(["0→7"]);
    expect((await metrics.recordsSkipped.get()).values[0]?.value).toBe(4);
  });

  it("sends its subscribers back to the log when its partition breaks, and no other hub's", async () => {
    const { clock, hubs, join } = setUp();
    const broken = join(0);
    const other = join(0, "room:b" as ConversationId, 1);
    hubs.deliver(record(0, "text"), EPOCH, 0);
    await clock.settle();
    hubs.break(0);
    expect([broken.lags, other.lags]).toEqual([[1n], []]);
    expect([broken.subscriber.state, other.subscriber.state]).toEqual(["catching-up", "live"]);
    hubs.deliver(record(1, "text"), EPOCH, 0);
    await clock.settle();
    expect(broken.steps()).toEqual(["0→1"]);
  });

  it("ends with its last member, and is never found again at a place nobody kept up to date", () => {
    const { hubs, join } = setUp();
    const [first, second] = [join(3), join(3)];
    const { hub } = first.subscriber;
    hubs.detach(first.subscriber);
    expect([hubs.size, second.subscriber.hub]).toEqual([1, hub]);
    hubs.detach(second.subscriber);
    expect(hubs.size).toBe(0);
    const third = join(9);
    expect(third.subscriber.hub).not.toBe(hub);
    expect(third.subscriber.hub?.last.offset).toBe(9n);
  });
});
