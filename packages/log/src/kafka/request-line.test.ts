import { FakeClock } from "@millrace/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { RequestLine } from "./request-line.ts";
import type { WireRequest } from "./protocol/wire-request.ts";

const TIMEOUT_MS = 3_000;

/** Answered with one number. */
const NUMBER: WireRequest<number> = {
  apiKey: 3,
  apiName: "Number",
  apiVersion: 1,
  body: Buffer.from("body"),
  read: (response) => response.int32(),
};

let clock: FakeClock;
let written: Buffer[];
let endings: string[];
let line: RequestLine;

beforeEach(() => {
  clock = new FakeClock();
  written = [];
  endings = [];
  line = new RequestLine({
    clock,
    clientId: "me",
    socket: { write: (bytes: Uint8Array | string) => written.push(Buffer.from(bytes)) > 0 },
    onEnd: ({ message }) => void endings.push(message),
  });
});

describe("a request line", () => {
  it("writes size, header and body, with a number of its own for each request", () => {
    void line.ask(NUMBER, TIMEOUT_MS);
    void line.ask(NUMBER, TIMEOUT_MS);
    expect(written.map((bytes) => bytes.toString("latin1"))).toEqual([
      request("\0"),
      request("\u0001"),
    ]);
  });

  it.each([1, 3, 4, 7, 12, 13, 25, 1_000])(
    "takes each answer whole, however the bytes come (%i at a time)",
    async (size) => {
      const asked = [1, 2, 3].map(() => line.ask(NUMBER, TIMEOUT_MS));
      const bytes = Buffer.concat([answer(0, 70), answer(1, 71), answer(2, 72)]);
      for (let at = 0; at < bytes.length; at += size) line.receive(bytes.subarray(at, at + size));
      expect(await Promise.all(asked)).toEqual([70, 71, 72]);
      expect(endings).toEqual([]);
    },
  );

  it("ends with everything on it when an answer is late, and never before", async () => {
    const early = line.ask(NUMBER, TIMEOUT_MS);
    line.receive(answer(0, 70));
    await early;
    await clock.advance(TIMEOUT_MS - 1);
    const late = outcomeOf(line.ask(NUMBER, TIMEOUT_MS));
    const behind = outcomeOf(line.ask(NUMBER, 2 * TIMEOUT_MS));
    await clock.advance(TIMEOUT_MS - 1);
    expect(endings).toEqual([]);
    await clock.advance(1);
    expect(endings).toEqual(["no answer in time"]);
    expect(await Promise.all([late, behind])).toEqual(["no answer in time", "no answer in time"]);
    // What comes too late is nobody's answer.
    line.receive(answer(1, 71));
    expect(line.isOver).toBe(true);
  });

  it("watches a request that is due before one asked earlier", async () => {
    void outcomeOf(line.ask(NUMBER, TIMEOUT_MS));
    void outcomeOf(line.ask(NUMBER, 10));
    await clock.advance(10);
    expect(endings).toEqual(["no answer in time"]);
  });

  it.each([
    ["the answer to another request", answer(1, 70), "a stray answer"],
    ["an answer cut short", Buffer.from([0, 0, 0, 4, 0, 0, 0, 0]), "an answer that can't be read"],
    ["bytes that are none", Buffer.from("HTTP/1.1 400"), "no answer"],
  ])("ends on %s", async (_, bytes, why) => {
    const asked = outcomeOf(line.ask(NUMBER, TIMEOUT_MS));
    line.receive(bytes);
    expect(await asked).toBe(why);
    expect(endings).toEqual([why]);
  });

  it("ends with its last answer once it is retired", async () => {
    const asked = [line.ask(NUMBER, TIMEOUT_MS), line.ask(NUMBER, TIMEOUT_MS)];
    line.retire();
    expect(line.isOver).toBe(true);
    line.receive(answer(0, 70));
    expect(endings).toEqual([]);
    line.receive(answer(1, 71));
    expect(await Promise.all(asked)).toEqual([70, 71]);
    expect(endings).toEqual(["renewed"]);
  });
});

function request(correlation: string): string {
  return `\0\0\0\u0010\0\u0003\0\u0001\0\0\0${correlation}\0\u0002mebody`;
}

function answer(correlation: number, value: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeInt32BE(8, 0);
  bytes.writeInt32BE(correlation, 4);
  bytes.writeInt32BE(value, 8);
  return bytes;
}

function outcomeOf(asked: Promise<number>): Promise<string> {
  return asked.then(String, ({ message }: Error) => message);
}
