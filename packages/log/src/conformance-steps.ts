import { delay, must } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import { expect } from "vitest";
import type { ConformanceSubject, ForeignRecord } from "./conformance.ts";
import type {
  AppendOutcome,
  AppendRequest,
  Log,
  LogChunk,
  LogRecord,
  ReadOutcome,
  ReadRequest,
  SettledOutcome,
} from "./port.ts";

const PATIENCE_MS = 15_000;
const RETRY_MS = 50;
const BYTES_MAX = 1_048_576;

export function bytes(content: string): Uint8Array {
  return Buffer.from(content);
}

export function text(data: Uint8Array | null): string | null {
  return data && Buffer.from(data).toString();
}

/** Records whose values are these texts. */
export function foreign(...values: readonly string[]): ForeignRecord[] {
  return values.map((value) => ({ key: bytes("key"), value: bytes(value), headers: [] }));
}

export function epochOf(log: Log): EpochId {
  return must(log.epoch, "an open log's epoch").id;
}

/** A read in the current incarnation; asked again while the partition can't be reached. */
export async function read(
  { log, clock }: ConformanceSubject,
  request: Partial<ReadRequest> & { readonly offset: bigint },
): Promise<ReadOutcome> {
  const deadlineMs = clock.nowMs() + PATIENCE_MS;
  for (;;) {
    const defaults = { partition: 0, epoch: epochOf(log), waitMs: 0, bytesMax: BYTES_MAX };
    const outcome = await log.readFrom({ ...defaults, ...request });
    if (outcome.kind !== "unavailable" || clock.nowMs() > deadlineMs) return outcome;
    await delay(clock, RETRY_MS);
  }
}

export async function readChunk(
  subject: ConformanceSubject,
  request: Partial<ReadRequest> & { readonly offset: bigint },
): Promise<LogChunk> {
  const outcome = await read(subject, request);
  if (outcome.kind !== "chunk") throw new Error(`a chunk was expected, not ${outcome.kind}`);
  return outcome;
}

/** Every chunk from that offset to the end; each begins where the one before it ended. */
export async function walk(
  subject: ConformanceSubject,
  request: Partial<ReadRequest> & { readonly offset: bigint },
): Promise<LogChunk[]> {
  const chunks: LogChunk[] = [];
  let { offset } = request;
  for (;;) {
    const chunk = await readChunk(subject, { ...request, offset });
    expect(chunk.from).toBe(offset);
    expectWithin(chunk);
    chunks.push(chunk);
    if (chunk.next === chunk.endOffset) return chunks;
    expect(chunk.next, "a read before the end gets on").toBeGreaterThan(offset);
    offset = chunk.next;
  }
}

/** All records from that offset to the end. */
export async function readAll(
  subject: ConformanceSubject,
  request: Partial<ReadRequest> & { readonly offset: bigint },
): Promise<LogRecord[]> {
  return (await walk(subject, request)).flatMap(({ records }) => records);
}

/** The records of a chunk stand in its range, in order. */
function expectWithin({ from, next, records }: LogChunk): void {
  let least = from;
  for (const { offset } of records) {
    expect(offset).toBeGreaterThanOrEqual(least);
    least = offset + 1n;
  }
  expect(next).toBeGreaterThanOrEqual(least);
}

export type ShortAppend = Partial<Omit<AppendRequest, "onOutcome" | "onSettled">> & {
  readonly onOutcome?: (outcome: AppendOutcome) => void;
};

/** An append with a deadline well ahead, and the promise of its outcome. */
export function append(
  { log, clock }: ConformanceSubject,
  value: Uint8Array | null,
  request: ShortAppend = {},
): Promise<AppendOutcome> {
  return new Promise((resolve) => {
    log.append({
      partition: 0,
      key: bytes("key"),
      headers: [],
      deadlineMs: clock.nowMs() + PATIENCE_MS,
      ...request,
      value,
      onOutcome: (outcome) => {
        request.onOutcome?.(outcome);
        resolve(outcome);
      },
    });
  });
}

export function appendText(
  subject: ConformanceSubject,
  value: string,
  request: ShortAppend = {},
): Promise<AppendOutcome> {
  return append(subject, bytes(value), request);
}

export function expectAppended(
  outcome: AppendOutcome | undefined,
): Extract<SettledOutcome, { readonly kind: "appended" }> {
  if (outcome?.kind !== "appended") throw new Error(`not appended: ${JSON.stringify(outcome)}`);
  return outcome;
}
