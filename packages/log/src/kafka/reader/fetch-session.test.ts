import { beforeEach, describe, expect, it } from "vitest";
import { KAFKA_ERRORS } from "../protocol/error-codes.ts";
import type { FetchPartition } from "../protocol/fetch.ts";
import { FetchSession } from "./fetch-session.ts";

const TOPIC = Buffer.alloc(16, 1);
const SESSION = 77;

let session: FetchSession;
let wanted: Map<number, FetchPartition>;

beforeEach(() => {
  session = new FetchSession();
  wanted = new Map([0, 1, 2].map((partition) => [partition, place(partition, 5n)]));
});

describe("a fetch session", () => {
  it("names everything once, and then what has changed", () => {
    expect(asked()).toEqual({ id: 0, epoch: 0, partitions: [0, 1, 2], forgotten: [] });
    took(SESSION);
    expect(asked()).toEqual({ id: SESSION, epoch: 1, partitions: [], forgotten: [] });
    took(SESSION);
    wanted.set(1, place(1, 9n));
    expect(asked()).toEqual({ id: SESSION, epoch: 2, partitions: [1], forgotten: [] });
  });

  it("has the broker forget what nobody waits for, so that it does not answer it", () => {
    asked();
    took(SESSION);
    wanted.delete(2);
    wanted.set(3, place(3, 0n));
    expect(asked()).toMatchObject({ partitions: [3], forgotten: [2] });
    took(SESSION);
    wanted.set(2, place(2, 5n));
    expect(asked()).toMatchObject({ partitions: [2], forgotten: [] });
  });

  it("names everything again after anything that makes doubtful what the broker has", () => {
    const all = { id: 0, epoch: 0, partitions: [0, 1, 2] };
    asked();
    took(SESSION);
    session.end();
    expect(asked()).toMatchObject(all);
    expect(took(0, KAFKA_ERRORS.FETCH_SESSION_ID_NOT_FOUND)).toBe(false);
    expect(asked()).toMatchObject(all);
    expect(took(0, KAFKA_ERRORS.UNKNOWN_TOPIC_ID)).toBe(true);
    expect(asked()).toMatchObject(all);
    took(SESSION);
    expect(asked(Buffer.alloc(16, 2))).toMatchObject(all);
  });

  it("names everything each time to a broker that has no room for a session", () => {
    asked();
    took(0);
    expect(asked()).toEqual({ id: 0, epoch: 0, partitions: [0, 1, 2], forgotten: [] });
  });

  it("remembers the log's ends, which the broker tells only when they change", () => {
    asked();
    session.took({ errorCode: 0, sessionId: SESSION, partitions: [told(1, 42n)] });
    asked();
    took(SESSION);
    expect(session.endOf(1)).toBe(42n);
    expect(session.endOf(0)).toBeUndefined();
  });
});

function place(partition: number, offset: bigint): FetchPartition {
  return { partition, offset, bytesMax: 1_000 };
}

function told(partition: number, lastStableOffset: bigint) {
  const records = Buffer.alloc(0);
  return { partition, errorCode: 0, lastStableOffset, abortedTransactions: [], records };
}

function asked(topicId = TOPIC) {
  const query = session.query(topicId, wanted);
  const partitions = query.partitions.map(({ partition }) => partition);
  return { ...query.session, partitions, forgotten: query.forgotten };
}

function took(sessionId: number, errorCode = 0): boolean {
  return session.took({ errorCode, sessionId, partitions: [] });
}
