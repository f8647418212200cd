import type { Ownership } from "@millrace/log";
import type { CloseCode, DownFrame } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import type { Connection } from "./connection/connection.ts";
import { EdgeDrain } from "./edge-drain.ts";

const DRAIN_MS = 30_000;

/** As much of a connection as a drain has to do with. */
class Client {
  readonly told: number[] = [];
  closedWith: CloseCode | undefined;

  send(frame: DownFrame): void {
    if (frame.t === "goaway") this.told.push(frame.afterMs);
  }

  close(code: CloseCode): void {
    this.closedWith = code;
    connections.delete(this as unknown as Connection);
  }
}

let clock: FakeClock;
let connections: Set<Connection>;
let clients: Client[];
let calls: string[];
/** Ends the leaving of the group; it takes its time. */
let whenLeft: (() => void) | undefined;
let isGroupHanging: boolean;
let drain: EdgeDrain;

beforeEach(() => {
  clock = new FakeClock();
  calls = [];
  isGroupHanging = false;
  clients = Array.from({ length: 3 }, () => new Client());
  connections = new Set(clients as unknown as Connection[]);
  const ownership: Ownership = {
    owned: new Set([1]),
    onChange: () => () => undefined,
    progressed: () => undefined,
    refresh: () => undefined,
    rejoin: () => undefined,
    join: () => void calls.push("join"),
    leave: () => {
      calls.push("leave");
      return isGroupHanging
        ? new Promise<void>((resolve) => (whenLeft = resolve))
        : Promise.resolve();
    },
  };
  const server = {
    refuseNewcomers: ({ alsoCalls }: { readonly alsoCalls: boolean }) =>
      void calls.push(alsoCalls ? "refuse all" : "refuse"),
    acceptNewcomers: () => void calls.push("accept"),
  };
  drain = new EdgeDrain({
    clock,
    random: () => 0.5,
    drainMs: DRAIN_MS,
    ownership,
    connections,
    server,
    handoverMs: 0,
  });
  drain.open();
});

describe("a drain that stays", () => {
  it("leaves the group, tells each client its own time, closes the rest, and stands", async () => {
    drain.stay();
    expect(drain.stay()).toBe(true);
    await clock.advance(100);
    expect(calls).toEqual(["join", "refuse", "leave"]);
    expect(clients.map(({ told }) => told)).toEqual([[2_000], [6_000], [10_000]]);
    expect(drain.state).toBe("draining");
    await clock.advance(12_000);
    expect(clients.map(({ closedWith }) => closedWith)).toEqual([1001, undefined, undefined]);
    await clock.advance(DRAIN_MS);
    expect(clients.map(({ closedWith }) => closedWith)).toEqual([1001, 1001, 1001]);
    expect(drain.state).toBe("drained");
  });

  it("that is taken back tells and closes nobody any more, and the edge joins again", async () => {
    drain.stay();
    await clock.advance(11_000);
    drain.takeBack();
    expect(drain.takeBack()).toBe(true);
    expect(calls).toEqual(["join", "refuse", "leave", "accept", "join"]);
    await clock.advance(2 * DRAIN_MS);
    expect(clients.map(({ closedWith }) => closedWith)).toEqual([undefined, undefined, undefined]);
    expect(drain.state).toBe("serving");
  });

  it("that is taken back while the group hangs has told nobody", async () => {
    isGroupHanging = true;
    drain.stay();
    await clock.advance(100);
    drain.takeBack();
    await clock.advance(DRAIN_MS);
    whenLeft?.();
    await clock.advance(DRAIN_MS);
    expect(clients.flatMap(({ told }) => told)).toEqual([]);
    expect(drain.state).toBe("serving");
  });

  it("begins anew after it was taken back, and a former one changes nothing any more", async () => {
    isGroupHanging = true;
    drain.stay();
    drain.takeBack();
    isGroupHanging = false;
    drain.stay();
    whenLeft?.();
    await clock.advance(2 * DRAIN_MS);
    expect(clients.map(({ told }) => told.length)).toEqual([1, 1, 1]);
    expect(drain.state).toBe("drained");
    drain.takeBack();
    expect([drain.state, calls.at(-1)]).toEqual(["serving", "join"]);
  });

  it("that becomes the end tells nobody twice, and has the end's time", async () => {
    drain.stay();
    await clock.advance(1_000);
    const ended = drain.end();
    expect([drain.stay(), drain.takeBack()]).toEqual([false, false]);
    const newcomer = new Client();
    connections.add(newcomer as unknown as Connection);
    await clock.advance(DRAIN_MS);
    await ended;
    expect(clients.map(({ told }) => told.length)).toEqual([1, 1, 1]);
    expect(connections.size).toBe(0);
  });

  it("ends at once where everybody is gone already", async () => {
    drain.stay();
    await clock.advance(DRAIN_MS);
    let isOver = false;
    void drain.end().then(() => (isOver = true));
    await clock.advance(100);
    expect(isOver).toBe(true);
  });

  it("that was called before the edge serves keeps it out of the group", async () => {
    calls = [];
    drain.stay();
    drain.open();
    expect(calls).not.toContain("join");
  });
});
