import { afterAll, beforeAll, expect, test } from "vitest";
import { findNginx } from "@millrace/testkit";
import { BenchStage } from "../stage/bench-stage.ts";
import { balancer } from "./balancer.ts";
import { CHAT, raised, serveFloor, steady } from "./chat.ts";
import { idle } from "./idle.ts";
import { kill } from "./kill.ts";
import type { Bench, ScenarioResult } from "./measured.ts";
import { resume } from "./resume.ts";

const VARIANT = { name: "as it comes", env: {} };

let bench: Bench;

beforeAll(async () => {
  const stage = await BenchStage.open({
    cores: undefined,
    loadProcesses: 2,
    profileFolder: undefined,
    tell: () => undefined,
  });
  const wishes = { seed: 1, isQuick: true, patienceS: 0, p99MsMax: 0 };
  bench = { stage, ...wishes, tell: () => undefined, scale: 0.1 };
});

afterAll(() => bench.stage.close());

function expectChat({ figures, notes }: ScenarioResult): void {
  expect(notes.filter((note) => !/load side|other processes/.test(note))).toEqual([]);
  expect(figures?.errors).toBe(0);
  expect(figures?.publishesPerS).toBeGreaterThan(1);
  // Ten members, the sender among them.
  const each = (figures?.deliveriesPerS ?? 0) / (figures?.publishesPerS ?? 0);
  expect(each).toBeGreaterThan(7);
  expect(each).toBeLessThan(13);
  expect(figures?.p50Ms).toBeGreaterThan(0);
}

test("the chat of the benchmark reaches every member, on the edge and on the bare server", async () => {
  expectChat(await steady("chat", CHAT)(bench, VARIANT));
  expectChat(await steady("floor-uws-chat", CHAT, serveFloor)(bench, VARIANT));
});

test("a rising rate ends soon after it has gone too far, and its best step is shown", async () => {
  const { steps = [], figures } = await raised("chat-raised", CHAT)(bench, VARIANT);
  // Five when others use the machine meanwhile.
  expect(steps.length).toBeGreaterThanOrEqual(2);
  expect(steps.length).toBeLessThanOrEqual(5);
  expect(figures).toBe(steps[0]);
});

test("those who lost the line get all they missed, each continuing the one before", async () => {
  const { more, notes } = await resume("resume", 25)(bench, VARIANT);
  expect(notes).toEqual([]);
  expect(more).toMatchObject({ lost: 0, "broken prevs": 0, "messages resumed": 5_000 });
});

test("what was acknowledged before a kill is counted in the topic", async () => {
  const { more } = await kill(bench, VARIANT);
  expect(more["acknowledged"]).toBeGreaterThan(2);
  expect(more).toMatchObject({ "acknowledged and lost": 0, "acknowledged and twice": 0 });
});

test("silent connections are all in, and stay", async () => {
  const { more } = await idle("idle", ({ stage }, { env }) => stage.edge(env))(bench, VARIANT);
  expect(more["connections"]).toBe(1_000);
  expect(more["CPU % at rest"]).toBeLessThan(50);
});

test.skipIf((await findNginx()) === undefined)(
  "what a balancer costs is told for each way to connect, in one run",
  async () => {
    const { more, notes } = await balancer(bench, VARIANT);
    expect(notes).toEqual([]);
    for (const way of ["without a balancer", "with TLS", "with TLS resumed"]) {
      expect(more[`handshakes/s ${way}`]).toBeGreaterThan(1);
    }
    expect(more["p50 ms through it"]).toBeGreaterThan(0);
  },
);
