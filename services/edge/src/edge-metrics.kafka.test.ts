import { randomBytes } from "node:crypto";
import { type EdgeProcess, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { WebSocket } from "ws";
import { EdgeStage, publish, subscribe } from "./testing/edge-stage.ts";

const USERS = 3_000;
const CONVERSATIONS = 1_000;
const AT_ONCE = 50;
const NEW_SERIES_MAX = 200;

/** Ten times what a scrape may take. */
const SCRAPE_MS_MAX = 2_000;

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({
    brokers: inject("kafkaBrokers"),
    redisUrl: inject("redisUrl"),
  });
});

afterEach(() => stage.close());

// C-067
it("The number of metric series does not depend on the users", async () => {
  const edge = await stage.spawn("edge-1");
  const before = await scrape(edge);
  const users = Array.from({ length: USERS }, (_, index) => `user-${index}`);
  for (let start = 0; start < USERS; start += AT_ONCE) {
    const some = users.slice(start, start + AT_ONCE);
    await Promise.all(some.map((user, index) => visit(edge, user, start + index)));
  }
  await waitFor(async () => valueOf((await scrape(edge)).text, "millrace_connections") === 0, {
    what: "everybody has left",
  });
  const after = await scrape(edge);
  expect(after.series.length - before.series.length).toBeLessThan(NEW_SERIES_MAX);
  expect(after.tookMs).toBeLessThan(SCRAPE_MS_MAX);
  // They were all there, and each did what is counted.
  expect(sumOf(after.text, "millrace_handshakes_total", 'status="101"')).toBe(USERS);
  expect(sumOf(after.text, "millrace_closes_total")).toBe(USERS);
  expect(sumOf(after.text, "millrace_closes_total", 'code="other"')).toBeGreaterThan(0);
  expect(sumOf(after.text, "millrace_publishes_total")).toBe(USERS);
  expect(sumOf(after.text, "millrace_publish_seconds_count")).toBe(USERS);
  expect(sumOf(after.text, "millrace_dedup_total", 'outcome="new"')).toBe(USERS);
  expect(sumOf(after.text, "millrace_errors_total", 'code="bad-frame"')).toBe(USERS);
  for (const written of ["user-", "room:", "agent-", "verb-"]) {
    expect(after.text).not.toContain(written);
  }
}, 180_000);

it("Each thing that happens is counted once, and gauges return to what is so", async () => {
  const edge = await stage.spawn("edge-1");
  const [alice, bob] = [await stage.connect(edge, "alice"), await stage.connect(edge, "bob")];
  for (const client of [alice, bob]) await subscribe(client, "room:1", "live");
  await publish(alice, "room:1", ["one", "two"]);
  await alice.request({ t: "pub", c: "room:1", key: "one", body: "one" });
  await waitFor(() => bob.messages("room:1").length === 2, { what: "both messages" });
  const { text } = await scrape(edge);
  const wanted = {
    millrace_connections: 2,
    millrace_subscriptions: 2,
    millrace_publishes_total: 3,
    millrace_publish_seconds_count: 3,
    millrace_deliveries_total: 4,
    millrace_delivery_seconds_count: 4,
    millrace_redis_up: 1,
    millrace_writer_in_flight: 0,
    millrace_catch_ups: 0,
    millrace_lagging: 0,
    millrace_buffered_bytes: 0,
  };
  for (const [name, value] of Object.entries(wanted)) {
    expect([name, valueOf(text, name)]).toEqual([name, value]);
  }
  expect(sumOf(text, "millrace_dedup_total", 'outcome="new"')).toBe(2);
  expect(sumOf(text, "millrace_dedup_total", 'outcome="duplicate"')).toBe(1);
  expect(sumOf(text, "millrace_publish_outcomes_total", 'outcome="appended"')).toBe(3);
  expect(sumOf(text, "millrace_publish_outcomes_total")).toBe(3);
  // A rate does not see a series that begins with its first failure.
  expect(valueOf(text, 'millrace_publish_outcomes_total{outcome="unknown"}')).toBe(0);
  expect(sumOf(text, "millrace_delivery_mode", 'mode="direct"')).toBe(12);
  // What a delivery takes on one machine is far from a minute, and not less than nothing.
  expect(valueOf(text, "millrace_delivery_seconds_sum")).toBeLessThan(4 * 60);
  expect(sumOf(text, "millrace_tail_lag_records")).toBe(0);
});

/** One user's visit: another agent, another verb, another reason to leave each time. */
async function visit(edge: EdgeProcess, user: string, index: number): Promise<void> {
  const c = `room:${index % CONVERSATIONS}`;
  const token = await stage.issuer.token({ sub: user });
  const socket = new WebSocket(edge.ws, ["millrace.v1.json"], {
    headers: { authorization: `Bearer ${token}`, "user-agent": `agent-${randomText()}` },
  });
  const answered = new Set<number>();
  socket.on("message", (data: Buffer) => {
    const { id } = JSON.parse(data.toString()) as { readonly id?: unknown };
    // A message has an id, too: a text.
    if (typeof id === "number") answered.add(id);
  });
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  const frames = [
    { t: "sub", id: 1, c, from: "live" },
    { t: "pub", id: 2, c, key: randomText(), body: randomText() },
    { t: `verb-${randomText()}`, id: 3 },
  ];
  for (const frame of frames) socket.send(JSON.stringify(frame));
  await waitFor(() => answered.size === frames.length, { what: `the answers to ${user}` });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  // Codes of applications, which a client is free to make up.
  socket.close(3_000 + ((index * 37) % 2_000), `reason-${randomText()}`);
  await closed;
}

async function scrape(edge: EdgeProcess) {
  const startMs = performance.now();
  const text = await (await fetch(edge.metrics)).text();
  const tookMs = performance.now() - startMs;
  const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return { text, tookMs, series };
}

function valueOf(text: string, name: string): number | undefined {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length));
}

/** Over all series of that name which have that label. */
function sumOf(text: string, name: string, label = ""): number {
  return text
    .split("\n")
    .filter((line) => /^[a-z_]+/.exec(line)?.[0] === name && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

function randomText(): string {
  return randomBytes(9).toString("base64url");
}
