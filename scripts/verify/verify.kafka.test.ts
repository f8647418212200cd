import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { must } from "@millrace/runtime";
import { encodeMessage, newMessageId } from "@millrace/schemas/record";
import { makeTopic, waitFor, withProducer } from "@millrace/testkit";
import { type JudgeOptions, type Verdict, bodySum } from "@millrace/testkit/judge";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { follow } from "./follow.ts";
import { Proceeding } from "./proceeding.ts";
import type { resultOf } from "./result.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const EPOCH = "AAAAAAAA";
const PARTITIONS = 2;
const COUNT = 5_000;

let folder: string;
let topic: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-verify-"));
  topic = `verify-${randomUUID()}`;
  await makeTopic(inject("kafkaBrokers"), { topic, numPartitions: PARTITIONS });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** One message of a sender, in the partition of its number. */
interface Sent {
  readonly c: string;
  readonly partition: number;
  readonly key: string;
  readonly pos: string;
  readonly prev: string;
  readonly ts: number;
  readonly body: string;
  readonly mark: string;
}

/** In turn to the conversation of each partition. */
function sentOf(first: number, end: number): Sent[] {
  return Array.from({ length: end - first }, (_, index) => {
    const number = first + index;
    const partition = number % PARTITIONS;
    const offset = Math.floor(number / PARTITIONS);
    return {
      c: `room:${partition}`,
      partition,
      key: String(number),
      pos: `${EPOCH}.${partition}.${offset + 1}`,
      prev: `${EPOCH}.${partition}.${offset}`,
      ts: number,
      body: `body ${number}`,
      mark: `edge-1~x/${number}`,
    };
  });
}

async function store(sent: readonly Sent[]): Promise<void> {
  const messages = sent.map(({ c, partition, key, body, mark }) => ({
    key: c,
    partition,
    headers: { edge: mark },
    value: Buffer.from(
      encodeMessage({
        id: newMessageId(Date.now()),
        conversation: c,
        sender: "alice",
        recipient: null,
        group: c,
        key,
        contentType: "text/plain",
        content: body,
        meta: {},
        ref: null,
        op: null,
        sentAt: 0n,
      }),
    ),
  }));
  await withProducer(inject("kafkaBrokers"), (producer) => producer.send({ topic, messages }));
}

function publishedLines(sent: readonly Sent[]): string {
  return ndjson(
    sent.map(({ c, key, pos, ts, body }) => ({
      c,
      from: "alice",
      key,
      pos,
      ts,
      sum: bodySum(body),
    })),
  );
}

function receiverLines(sent: readonly Sent[]): string {
  return ndjson(
    sent.map(({ c, key, pos, prev, ts, body }) => ({
      t: "msg",
      c,
      pos,
      prev,
      ts,
      from: "alice",
      key,
      body,
    })),
  );
}

function ndjson(items: readonly object[]): string {
  return items.map((item) => `${JSON.stringify(item)}\n`).join("");
}

function write(name: string, text: string): void {
  writeFileSync(join(folder, `${name}.ndjson`), text);
}

function add(name: string, text: string): void {
  appendFileSync(join(folder, `${name}.ndjson`), text);
}

const BEGIN = ndjson(
  [0, 1].map((partition) => ({
    t: "subd",
    c: `room:${partition}`,
    pos: `${EPOCH}.${partition}.0`,
  })),
);

type Result = ReturnType<typeof resultOf>;

/** As users run it. */
function verify(): Promise<{ code: number; result: Result }> {
  const places = ["--brokers", inject("kafkaBrokers").join(","), "--topic", topic];
  const args = ["--import", "tsx", "scripts/verify.ts", ...places, "--logs", folder, "--json"];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: ROOT }, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code);
      if (stdout === "") reject(new Error(stderr));
      else resolve({ code, result: JSON.parse(stdout) as Result });
    });
  });
}

/** The same here, as it stands now. */
async function audit(options: JudgeOptions): Promise<Verdict> {
  const place = { brokers: inject("kafkaBrokers"), topic };
  const proceeding = new Proceeding({ folder, place, judge: { owed: "acknowledged", ...options } });
  while (await proceeding.round());
  const verdict = await proceeding.finish();
  await proceeding.close();
  return verdict;
}

it("proves a replay, and names what is missing, repeated, inverted, corrupted and foreign", async () => {
  const sent = sentOf(0, COUNT);
  await store(sent);
  write("published", publishedLines(sent));
  write("receiver-0", BEGIN + receiverLines(sent));
  // Another is far behind it all the time.
  write(
    "receiver-1",
    BEGIN +
      receiverLines(sent.filter(({ partition }) => partition === 0)) +
      receiverLines(sent.filter(({ partition }) => partition === 1)),
  );
  const good = await verify();
  expect(good).toMatchObject({ code: 0, result: { isProved: true, unjudged: 0, receivers: 2 } });
  expect(good.result.told).toBe(2 * COUNT + 4);

  const ill = [...sent];
  const at = (index: number): Sent => must(sent[index], "a message");
  ill[100] = { ...at(100), body: "other words" };
  [ill[200], ill[202]] = [at(202), at(200)];
  ill.splice(300, 1);
  ill.splice(400, 0, at(398));
  const foreign = { ...at(COUNT - 1), pos: `${EPOCH}.1.99999`, prev: at(COUNT - 1).pos };
  write("receiver-0", BEGIN + receiverLines([...ill, foreign]));
  const bad = await verify();
  expect(bad.code).toBe(1);
  expect(bad.result.counts).toEqual({
    missing: 1,
    lost: 0,
    repeated: 1,
    inverted: 1,
    corrupted: 1,
    foreign: 1,
    gap: 0,
    broken: 0,
  });
  const missing = bad.result.first.find(({ kind }) => kind === "missing");
  expect(missing).toMatchObject({ where: "receiver-0.ndjson", c: "room:0", pos: at(300).pos });
  expect(bad.result.byConversation.map(({ c }) => c).toSorted()).toEqual(["room:0", "room:1"]);
});

it("tells the broker's second copy from a retry's, and a message of nobody from a publisher's", async () => {
  const sent = sentOf(0, 100);
  const copies = [10, 20, 30].map((index) => must(sent[index], "a message"));
  const marks = ["edge-1~x/10", "edge-1~x/777", "edge-2~y/20"];
  await store(sent);
  await store(copies.map((copy, index) => ({ ...copy, mark: marks[index] ?? "" })));
  write("published", publishedLines(sent));
  const lenient = await audit({});
  expect(lenient).toMatchObject({ isProved: true, repeatedKeys: 3 });
  expect(lenient.repeats).toMatchObject({ broker: 1, "same-edge": 1, "other-edge": 1 });
  const strict = await audit({ strictKeys: true });
  expect(strict).toMatchObject({ isProved: false, counts: { repeated: 3 } });
  write("published", publishedLines(sent.toSpliced(50, 1)));
  expect((await audit({ isComplete: true })).counts).toMatchObject({ foreign: 1, lost: 0 });
});

it("keeps up with topic and logs while they are written, and waits for what is on its way", async () => {
  write("published", "");
  write("receiver-0", BEGIN);
  const brokers = inject("kafkaBrokers");
  const proceeding = new Proceeding({
    folder,
    place: { brokers, topic },
    judge: { owed: "acknowledged" },
  });
  const stop = new AbortController();
  const lines: string[] = [];
  const tell = (line: string): number => lines.push(line);
  const following = follow(proceeding, { intervalMs: 50, stop: stop.signal, tell });
  for (let first = 0; first < 300; first += 100) {
    const sent = sentOf(first, first + 100);
    await store(sent);
    add("published", publishedLines(sent));
    // The last line is not complete yet.
    const text = receiverLines(sent);
    add("receiver-0", text.slice(0, -20));
    await waitFor(() => proceeding.verdict.told === first + 100 - 1 + 2, { what: "what is there" });
    add("receiver-0", text.slice(-20));
  }
  const last = sentOf(300, 310);
  await store(last);
  add("published", publishedLines(last));
  await waitFor(() => proceeding.owed === 10, { what: "what is owed" });
  stop.abort();
  add("receiver-0", receiverLines(last));
  await following;
  const verdict = await proceeding.finish();
  await proceeding.close();
  expect(verdict).toMatchObject({ isProved: true, told: 312, messages: 310, acknowledged: 310 });
  expect(lines.at(-1)).toContain("no offence");
});
