import { type EpochId } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { type Told, told } from "../hub/told.ts";
import { LIMITS } from "../limits.ts";
import { FakeSocket } from "../testing/fake-socket.ts";
import { Flusher } from "./flusher.ts";
import { Outbox, type TellOwner } from "./outbox.ts";

const LIMITS_SMALL = {
  ...LIMITS,
  bufferedBytesMax: 100,
  bufferedBytesLow: 40,
  dueBytesMax: 200,
  answerBytesMax: 300,
};

class Owner implements TellOwner {
  isEnded = false;
  readonly taken_: bigint[] = [];
  discards = 0;

  taken(position: Told): void {
    this.taken_.push(position.offset);
  }

  discarded(): void {
    this.discards += 1;
  }
}

function setUp(capacityBytes = 1_000) {
  const clock = new FakeClock();
  const received: string[] = [];
  const socket = new FakeSocket({ capacityBytes, onFrame: (frame) => received.push(frame) });
  const flusher = new Flusher(clock, 10);
  const overflows: number[] = [];
  const onOverflow = (): unknown => overflows.push(received.length);
  const outbox = new Outbox(socket, { limits: LIMITS_SMALL, flusher }, { onOverflow });
  const owner = new Owner();
  let offset = 0n;
  const tell = (text: string, of: TellOwner = owner): boolean =>
    outbox.tell(of, told("mem-0000" as EpochId, 0, ++offset), Buffer.from(text));
  return { clock, received, socket, outbox, overflows, owner, tell };
}

/** Whether the promise is settled once everything due has run. */
async function isSettled(clock: FakeClock, promise: Promise<void>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  await clock.settle();
  return settled;
}

describe("Outbox", () => {
  it("writes all that gathered within one turn in its order, and tells who it was taken from", async () => {
    const { clock, received, outbox, owner, tell } = setUp();
    outbox.answer("answer 1");
    expect(tell("tell 1")).toBe(true);
    outbox.answer("answer 2");
    expect(tell("tell 2")).toBe(true);
    expect([received, owner.taken_]).toEqual([[], []]);
    await clock.settle();
    expect(received).toEqual(["answer 1", "tell 1", "answer 2", "tell 2"]);
    expect(owner.taken_).toEqual([1n, 2n]);
  });

  it("writes tells beside each other as one message, an answer and a lonely tell as their own", async () => {
    const { clock, received, socket, outbox, tell } = setUp();
    tell("1");
    tell("2");
    outbox.answer("answer");
    tell("3");
    await clock.settle();
    expect(received).toEqual(["1", "2", "answer", "3"]);
    expect(socket.messages).toEqual(["[1,2]", "answer", "3"]);
  });

  it("stops at the socket's bound, gives back the tells that wait and keeps the answers", async () => {
    const { clock, received, socket, outbox, owner, tell } = setUp();
    socket.stall();
    for (const text of ["1", "2", "3"]) tell(text.repeat(60));
    outbox.answer("answer");
    tell("4");
    await clock.settle();
    // The bound is looked at before each frame: 60 bytes are under it, 120 are not.
    expect([socket.bufferedBytes(), owner.taken_, owner.discards]).toEqual([120, [1n, 2n], 1]);
    expect(tell("5")).toBe(false);
    const writable = outbox.whenWritable();
    socket.drain(60);
    outbox.onDrain();
    expect(await isSettled(clock, writable)).toBe(false);
    socket.flow();
    outbox.onDrain();
    expect(await isSettled(clock, writable)).toBe(true);
    expect(received).toEqual(["1".repeat(60), "2".repeat(60), "answer"]);
    expect(tell("6")).toBe(true);
  });

  it("sends nothing behind a frame that the socket has dropped", async () => {
    const { clock, received, socket, outbox, owner, tell } = setUp(70);
    const other = new Owner();
    socket.stall();
    tell("a".repeat(60));
    tell("b".repeat(20));
    tell("c", other);
    outbox.answer("answer");
    await clock.settle();
    expect([owner.taken_, owner.discards, other.taken_, other.discards]).toEqual([[1n], 1, [], 1]);
    // Twice a batch, and then what was left of it alone.
    expect(socket.dropped).toBe(3);
    socket.flow();
    outbox.onDrain();
    await clock.settle();
    expect(received).toEqual(["a".repeat(60), "answer"]);
  });

  it("offers nothing more to a socket that refused, however empty it is, until it has drained", async () => {
    const { clock, socket, outbox, owner, tell } = setUp(70);
    socket.stall();
    tell("a".repeat(30));
    tell("b".repeat(60));
    await clock.settle();
    expect([socket.bufferedBytes(), owner.discards, socket.dropped]).toEqual([30, 1, 2]);
    const writable = outbox.whenWritable();
    expect(await isSettled(clock, writable)).toBe(false);
    expect(tell("c")).toBe(false);
    socket.flow();
    outbox.onDrain();
    expect(await isSettled(clock, writable)).toBe(true);
    expect(socket.dropped).toBe(2);
  });

  it("gives back what is due to one socket within a turn beyond its bound, and answers all the same", async () => {
    const { clock, received, outbox, owner, tell } = setUp();
    outbox.answer("before");
    const areTaken = Array.from({ length: 8 }, (_, index) => tell(`${index}`.repeat(50)));
    outbox.answer("behind");
    expect(areTaken).toEqual([true, true, true, true, true, false, false, false]);
    expect(owner.discards).toBe(1);
    const writable = outbox.whenWritable();
    expect(await isSettled(clock, writable)).toBe(true);
    expect([received, owner.taken_]).toEqual([["before", "behind"], []]);
    expect(tell("again")).toBe(true);
  });

  it("leaves out what belongs to somebody who has ended", async () => {
    const { clock, received, owner, tell } = setUp();
    const ended = new Owner();
    tell("ended", ended);
    tell("open");
    ended.isEnded = true;
    await clock.settle();
    expect([received, ended.taken_, owner.taken_]).toEqual([["open"], [], [2n]]);
  });

  it("ends the connection when a full socket leaves too many answers waiting", async () => {
    const { clock, received, socket, outbox, overflows } = setUp();
    socket.stall();
    for (let index = 0; index < 4; index++) outbox.answer(`${index}`.repeat(50));
    await clock.settle();
    expect([socket.bufferedBytes(), overflows]).toEqual([100, []]);
    for (let index = 0; index < 4; index++) outbox.answer(`${index}`.repeat(50));
    expect(overflows).toEqual([]);
    outbox.answer("one too many");
    expect(overflows).toEqual([0]);
    expect(received).toEqual([]);
  });

  it("lets everybody go who waits for a socket that closes", async () => {
    const { clock, received, socket, outbox, owner, tell } = setUp();
    socket.stall();
    tell("a".repeat(150));
    await clock.settle();
    const writable = outbox.whenWritable();
    tell("late");
    outbox.answer("late");
    outbox.close();
    expect(await isSettled(clock, writable)).toBe(true);
    expect([received, owner.taken_, tell("later")]).toEqual([[], [1n], false]);
  });
});
