import type { Clock } from "@millrace/runtime";
import { describe, onTestFinished } from "vitest";
import { conformanceOfEpochs } from "./conformance-epochs.ts";
import { conformanceOfPartitions } from "./conformance-partitions.ts";
import { conformanceOfReads } from "./conformance-reads.ts";
import { conformanceOfWrites } from "./conformance-writes.ts";
import type { Log, LogRecord } from "./port.ts";

/** What a log is proved on: a topic of its own, nothing in it yet, and hands behind its back. */
export interface ConformanceSubject {
  /** Open. */
  readonly log: Log;
  /** The clock the log runs on; a real one, since the suite waits. */
  readonly clock: Clock;
  /** Another producer appends one batch with all these records; the offset of the first. */
  appendForeign(partition: number, records: readonly ForeignRecord[]): Promise<bigint>;
  /** Uses up offsets without leaving a record: a control record, an aborted transaction. */
  appendHole(partition: number): Promise<void>;
  /** As retention does: the partition begins at that offset afterwards. */
  deleteBefore(partition: number, offset: bigint): Promise<void>;
  /** Deletes the topic and makes it anew, with as many partitions, writable when it resolves. */
  recreate(): Promise<void>;
  /** The partition loses everything from that offset on. Only where `lacks` does not name it. */
  truncate?(partition: number, endOffset: bigint): Promise<void>;
  /**
   * Another producer appends one record wherever its default partitioner puts the key; that
   * partition. Only where `lacks` does not name it.
   */
  appendKeyed?(key: Uint8Array, value: Uint8Array): Promise<number>;
  /** Closes the log and removes what was made. Runs also after a test that closed the log. */
  tearDown(): Promise<void>;
}

export type ForeignRecord = Pick<LogRecord, "key" | "value" | "headers">;

/** What can't be brought about behind every log; its tests are skipped there. */
export type Capability = "truncation" | "large-offsets" | "foreign-partitioner";

export interface ConformanceOptions {
  readonly setUp: (topic: TopicWish) => Promise<ConformanceSubject>;
  readonly lacks?: readonly Capability[];
}

export interface TopicWish {
  readonly partitions: number;
  /** First offset of each partition; other than 0 only where `lacks` has no "large-offsets". */
  readonly startOffset: bigint;
}

/** What the parts of the suite are given: a subject per test, and what may be asked of it. */
export interface Conformance {
  readonly start: (wish?: Partial<TopicWish>) => Promise<ConformanceSubject>;
  readonly can: (capability: Capability) => boolean;
}

/** A cluster takes its time to make a topic anew. */
const TIMEOUT_MS = 60_000;

/** Registers the tests that every log passes; call it from a test file. */
export function logConformance(name: string, options: ConformanceOptions): void {
  const conformance: Conformance = {
    async start(wish = {}) {
      const subject = await options.setUp({ partitions: 2, startOffset: 0n, ...wish });
      onTestFinished(() => subject.tearDown());
      return subject;
    },
    can: (capability) => options.lacks?.includes(capability) !== true,
  };
  describe(`${name} is a log`, { timeout: TIMEOUT_MS }, () => {
    describe("reading", () => {
      conformanceOfReads(conformance);
    });
    describe("appending", () => {
      conformanceOfWrites(conformance);
    });
    describe("partitions", () => {
      conformanceOfPartitions(conformance);
    });
    describe("incarnations", () => {
      conformanceOfEpochs(conformance);
    });
  });
}
