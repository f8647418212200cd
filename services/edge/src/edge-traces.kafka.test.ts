import type { LogRecord } from "@millrace/log";
import { must, silentLogger, systemClock } from "@millrace/runtime";
import { parsePosition, partitionOf } from "@millrace/schemas";
import { decodeMessage } from "@millrace/schemas/record";
import { waitFor, withProducer } from "@millrace/testkit";
import { ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { EdgeStage, subscribe } from "./testing/edge-stage.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";
import { openTracing } from "./trace/open-tracing.ts";
import { OtelTracing } from "./trace/otel-tracing.ts";
import { TRACEPARENT_BYTES } from "./trace/traceparent.ts";

const PARTITIONS = 12;
const C = "room:traced";
const ZEROS = `00-${"0".repeat(32)}-${"0".repeat(16)}-01`;

/** What a message may claim to be its trace, and is not. */
const BAD: Readonly<Record<string, string>> = {
  malformed: "00-xyz-01",
  zeros: ZEROS,
  long: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`.padEnd(900, "f"),
  "other version": `ff-${"a".repeat(32)}-${"b".repeat(16)}-01`,
};

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({
    brokers: inject("kafkaBrokers"),
    redisUrl: inject("redisUrl"),
  });
  await stage.makeTopic();
});

afterEach(() => stage.close());

// C-071
it("Each message keeps its own trace through a batch", async () => {
  const spans: ReadableSpan[] = [];
  const exporter = exporterTo(spans);
  const tracing = new OtelTracing({ edgeId: "edge-1", clock: systemClock, exporter });
  const edge = await stage.start("edge-1", { tracing });
  const [reader, writer] = [
    await stage.connect(edge, "reader"),
    await stage.connect(edge, "writer"),
  ];
  await subscribe(reader, C, "live");
  const traces = ["1", "2", "3"].map((digit) => digit.repeat(32));
  const good = traces.map((trace) => [trace, `00-${trace}-${"c".repeat(16)}-01`] as const);
  const claims = [...good, ...Object.entries(BAD)];
  const answers = await publishTogether(writer, claims);
  // More than a message's meta may hold is refused before anything is made of it.
  const tenKb = await writer.request({
    t: "pub",
    c: C,
    body: "10 kB",
    meta: { traceparent: ZEROS.padEnd(10_240, "0") },
  });
  expect(tenKb.code).toBe("body-too-large");
  // Foreign producers write what they like; 10 kB of it, too.
  await sendForeign(await valueOf(answers), ["x".repeat(10_240), ZEROS, "nonsense"]);
  const count = claims.length + 3;
  await waitFor(() => reader.messages(C).length === count, { what: "all messages" });
  await tracing.close(10_000);
  const publishes = spans.filter(({ name }) => name === "publish");
  const deliveries = spans.filter(({ name }) => name === "deliver");
  expect(publishes).toHaveLength(claims.length);
  expect(deliveries).toHaveLength(count);

  for (const [index, answer] of answers.entries()) {
    const publish = at(publishes, answer);
    const delivery = at(deliveries, answer);
    const { traceId, spanId } = publish.spanContext();
    expect(delivery.parentSpanContext).toMatchObject({ traceId, spanId });
    expect(delivery.spanContext().traceId).toBe(traceId);
    const [trace] = must(claims[index], "a claim");
    if (traces.includes(trace)) {
      expect(traceId).toBe(trace);
      expect(publish.parentSpanContext?.spanId).toBe("c".repeat(16));
    } else {
      expect(publish.parentSpanContext).toBeUndefined();
      expect(traces).not.toContain(traceId);
    }
  }
  const own = new Set(publishes.map((span) => span.spanContext().traceId));
  expect(own.size).toBe(claims.length);
  const rest = deliveries.filter((span) => !own.has(span.spanContext().traceId));
  expect(rest.map(({ parentSpanContext }) => parentSpanContext)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);

  const records = await recordsIn(claims.length);
  for (const [index, record] of records.entries()) {
    const { traceId, spanId } = at(publishes, must(answers[index], "an answer")).spanContext();
    expect(headersOf(record, "traceparent")).toEqual([`00-${traceId}-${spanId}-01`]);
  }
  expect(new Set(records.map(({ timestampMs }) => timestampMs)).size).toBe(1);
});

it("While tracing is off a message's own trace is passed on, and nothing else is", async () => {
  const off = await openTracing(
    { OTEL_TRACES_SAMPLER: "always_on", OTEL_TRACES_EXPORTER: "otlp" },
    { edgeId: "edge-1", logger: silentLogger, clock: systemClock },
  );
  expect(off).toBeUndefined();
  const edge = await stage.start("edge-1");
  const writer = await stage.connect(edge, "writer");
  const traceparent = `00-${"4".repeat(32)}-${"d".repeat(16)}-00`;
  const claims = [["good", traceparent], ...Object.entries(BAD)] as const;
  await publishTogether(writer, claims);
  const [first, ...rest] = await recordsIn(claims.length);
  expect(headersOf(must(first, "a record"), "traceparent")).toEqual([traceparent]);
  expect(rest.flatMap((record) => headersOf(record, "traceparent"))).toEqual([]);
  const marks = [first, ...rest].flatMap((record) => (record ? headersOf(record, "edge") : []));
  expect(marks).toHaveLength(claims.length);
  const [, incarnation = ""] = must(marks[0], "a mark").split("/");
  expect(marks).toEqual(claims.map((_, index) => `edge-1/${incarnation}/${index}`));
});

function exporterTo(spans: ReadableSpan[]): SpanExporter {
  return {
    export: (some, done) => {
      spans.push(...some);
      done({ code: ExportResultCode.SUCCESS });
    },
    shutdown: () => Promise.resolve(),
  };
}

/** In one frame, so that they are appended in one turn, and one batch. */
async function publishTogether(
  writer: RawClient,
  claims: readonly (readonly [string, string])[],
): Promise<DownJson[]> {
  const frames = claims.map(([body, traceparent], index) => ({
    t: "pub",
    id: 100 + index,
    c: C,
    body,
    meta: { traceparent },
  }));
  writer.sendText(JSON.stringify(frames));
  return Promise.all(
    frames.map(({ id }) => writer.next((frame) => frame.id === id, `the answer to ${id}`)),
  );
}

/** The span of that name whose message it is. */
function at(spans: readonly ReadableSpan[], { pos }: DownJson): ReadableSpan {
  return must(
    spans.find(({ attributes }) => attributes["millrace.position"] === pos),
    "a span of the message",
  );
}

async function recordsIn(count: number): Promise<readonly LogRecord[]> {
  const log = stage.kafkaLog();
  await log.open();
  const partition = partitionOf(Buffer.from(C), PARTITIONS);
  const epoch = must(log.epoch, "an epoch").id;
  const request = { partition, offset: 0n, epoch, waitMs: 0, bytesMax: 1_000_000 };
  const chunk = await log.readFrom(request);
  await log.close({ settleMs: 0 });
  if (chunk.kind !== "chunk") throw new Error(chunk.kind);
  const records = chunk.records.slice(0, count);
  expect(records).toHaveLength(count);
  for (const record of records) {
    expect(decodeMessage(must(record.value, "a value")).kind).toBe("message");
    for (const text of headersOf(record, "traceparent"))
      expect(text).toHaveLength(TRACEPARENT_BYTES);
  }
  return records;
}

function headersOf({ headers }: LogRecord, wanted: string): string[] {
  return headers
    .filter(({ name }) => name === wanted)
    .map(({ value }) => Buffer.from(value).toString());
}

/** The value of a message that is in the log, to be written again by somebody else. */
async function valueOf(answers: readonly DownJson[]): Promise<Buffer> {
  expect(parsePosition(answers[0]?.pos)?.offset).toBe(1n);
  const [first] = await recordsIn(1);
  return Buffer.from(must(must(first, "a record").value, "a value"));
}

async function sendForeign(value: Buffer, traceparents: readonly string[]): Promise<void> {
  const partition = partitionOf(Buffer.from(C), PARTITIONS);
  const messages = traceparents.map((traceparent) => ({
    key: C,
    value,
    partition,
    headers: { traceparent },
  }));
  await withProducer(inject("kafkaBrokers"), (producer) =>
    producer.send({ topic: stage.topic, messages }),
  );
}
