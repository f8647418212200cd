import { readFileSync } from "node:fs";
import { createKafkaLog } from "@millrace/log";
import { must, silentLogger } from "@millrace/runtime";
import { partitionOf } from "@millrace/schemas";
import { decodeMessage, encodeMessage } from "@millrace/schemas/record";
import { waitFor } from "@millrace/testkit";
import { afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import {
  EdgeStage,
  publish,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import { foreignMessage } from "../../services/edge/src/testing/foreign-message.ts";
import { foreignFields } from "./foreign-message.ts";
import {
  type ForeignRecord,
  type Place,
  readByReference,
  whyNoReference,
  writeByReference,
} from "./reference-run.ts";

const PARTITIONS = 12;
const PREPARE_MS = 600_000;

/** A live message is promised within a second; a busy machine is given ten times that. */
const DELIVERED_MS = 10_000;

let missing: string | undefined;
let stage: EdgeStage;
let place: Place;

beforeAll(async () => {
  missing = await whyNoReference();
}, PREPARE_MS);

beforeEach(async ({ skip }) => {
  skip(missing !== undefined, missing);
  const brokers = inject("kafkaBrokers");
  stage = await EdgeStage.open({ brokers, redisUrl: inject("redisUrl") });
  place = { brokers, topic: stage.topic };
});

afterEach(() => stage?.close());

describe("numbers", () => {
  // C-080
  it("Sixty-four-bit numbers reach analytics digit for digit", async () => {
    const c = "room:numbers";
    const microsecondsIn2300 = BigInt(Date.UTC(2300, 0, 1)) * 1_000n;
    const numbers = [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), microsecondsIn2300];
    const longs = longFields();
    expect(longs).toContain("sent_at");
    const edge = await stage.start("edge-1");
    const live = await stage.connect(edge, "live");
    await subscribe(live, c, "live");

    const records = numbers.map((number) => {
      const values = longs.map((name) => [name, String(number)]);
      return {
        key: c,
        fields: { ...foreignFields(c, `at ${number}`), ...Object.fromEntries(values) },
      };
    });
    await writeByReference(place, records);
    const bodies = numbers.map((number) => `at ${number}`);
    await whenHas(live, c, bodies);
    const read = await readByReference(place);
    expect(read).toMatchObject({ code: 0, events: [{ event: "end", setAside: {} }] });
    for (const name of longs) {
      expect(read.lines.map(({ fields }) => fields[name])).toEqual(numbers.map(String));
    }

    // What analytics has read goes back where it came from, once more through both.
    const again = read.lines.map(({ conversation, fields }) => ({ key: conversation, fields }));
    await writeByReference(place, again);
    await whenHas(live, c, [...bodies, ...bodies]);
    const values = await storedValues(c);
    expect(values).toHaveLength(2 * numbers.length);
    expect(values.slice(numbers.length)).toEqual(values.slice(0, numbers.length));
    for (const value of values) {
      const decoded = decodeMessage(value);
      if (decoded.kind !== "message") throw new Error(decoded.why);
      expect(Buffer.from(encodeMessage(decoded.message))).toEqual(value);
    }
    const late = await stage.connect(edge, "late");
    await subscribe(late, c, "earliest");
    await whenHas(late, c, [...bodies, ...bodies]);
  });
});

describe("records that are none", () => {
  // C-081
  it("A record nobody can read is set aside and the stream goes on", async () => {
    const c = "room:aside";
    const partition = partitionOf(Buffer.from(c), PARTITIONS);
    const edge = await stage.spawn("edge-1");
    const live = await stage.connect(edge, "live");
    await subscribe(live, c, "live");
    await publish(await stage.connect(edge, "writer"), c, ["before"]);
    await whenHas(live, c, ["before"]);
    const before = must(live.position(c), "a position");

    const whole = encodeMessage(foreignMessage(c, "nobody logs these words"));
    const hex = Buffer.from(whole).toString("hex");
    const bad: ForeignRecord[] = [
      { key: c },
      { hex, partition },
      { key: c, hex: "" },
      { key: c, hex: "00" },
      { key: c, hex: hex.slice(0, 2 * Math.floor(whole.length / 2)) },
    ];
    const places = await writeByReference(place, [
      ...bad.map((record) => ({ ...record, partition })),
      { key: c, fields: foreignFields(c, "after") },
    ]);
    const what = "the good record behind the bad ones";
    await waitFor(() => live.bodies(c).length === 2, { what, timeoutMs: DELIVERED_MS });
    await whenHas(live, c, ["before", "after"]);

    // A resume over them, and a reader of everything: neither counts nor logs them again.
    for (const from of [{ after: before }, "earliest"]) {
      const reader = await stage.connect(edge, "resuming");
      await subscribe(reader, c, from);
      await whenHas(reader, c, from === "earliest" ? ["before", "after"] : ["after"]);
      await reader.next(({ t }) => t === "live", "the end of the catch-up");
    }
    const skippedAt = bad.map((_, index) => must(places[index], "a place"));
    expect(await metric(edge.metrics, "millrace_records_skipped_total")).toBe(bad.length);
    const logged = await waitFor(
      () => {
        const lines = skippedLines(edge.child.outputFile);
        return lines.length >= bad.length && lines;
      },
      { what: "the log lines" },
    );
    expect(logged).toEqual(skippedAt.map((at) => expect.objectContaining(at)));
    expect(readFileSync(edge.child.outputFile, "utf8")).not.toContain("nobody logs");
    expect(edge.child.hasExited).toBe(false);

    const read = await readByReference(place);
    expect(read.code).toBe(0);
    expect(read.lines.map(({ fields }) => fields["content"])).toEqual(["before", "after"]);
    const [end, ...aside] = read.events.toReversed();
    expect(aside.toReversed()).toEqual(
      skippedAt.map((at) => expect.objectContaining({ event: "set-aside", ...at })),
    );
    expect(aside.map(({ why }) => why).toReversed()).toEqual([
      "tombstone",
      "no key",
      "empty value",
      "too short",
      "not of its schema: EOFError",
    ]);
    expect(end).toMatchObject({ event: "end", records: 2 });
    expect(read.stderr).not.toContain("nobody logs");
  });
});

function longFields(): string[] {
  const file = new URL("../../schemas/avro/message.v1.avsc", import.meta.url);
  const { fields } = JSON.parse(readFileSync(file, "utf8")) as {
    fields: { name: string; type: unknown }[];
  };
  return fields
    .filter(({ type }) => JSON.stringify(type).includes('"long"'))
    .map(({ name }) => name);
}

/** The values of a conversation, byte for byte as the log has them. */
async function storedValues(c: string): Promise<Buffer[]> {
  const log = createKafkaLog({ ...place, clientId: "test", logger: silentLogger });
  await log.open();
  const { id: epoch } = must(log.epoch, "an open log");
  const partition = partitionOf(Buffer.from(c), PARTITIONS);
  const values: Buffer[] = [];
  for (let offset = 0n; ;) {
    const request = { partition, offset, epoch, waitMs: 0, bytesMax: 1_048_576 };
    const chunk = await log.readFrom(request);
    if (chunk.kind !== "chunk") throw new Error(chunk.kind);
    for (const { value } of chunk.records) values.push(Buffer.from(must(value, "a value")));
    offset = chunk.next;
    if (offset === chunk.endOffset) break;
  }
  await log.close({ settleMs: 0 });
  return values;
}

async function metric(page: string, name: string): Promise<number> {
  const text = await (await fetch(page)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
}

function skippedLines(file: string): unknown[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.includes('"record skipped"'))
    .map((line) => JSON.parse(line) as unknown);
}
