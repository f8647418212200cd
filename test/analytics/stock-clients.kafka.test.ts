import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@millrace/runtime";
import { afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import type { RunningCompanion } from "../../scripts/start/companion.ts";
import { startRegistry } from "../../scripts/start/registry.ts";
import type { Supervised } from "../../scripts/start/supervised.ts";
import {
  EdgeStage,
  publish,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import { foreignFields } from "./foreign-message.ts";
import { type Place, readByReference, whyNoReference, writeByReference } from "./reference-run.ts";

const PREPARE_MS = 600_000;

let missing: string | undefined;
let stage: EdgeStage;
let place: Place;
let registry: Supervised<RunningCompanion>;
let logFolder: string;

beforeAll(async () => {
  missing = await whyNoReference();
}, PREPARE_MS);

beforeEach(async ({ skip }) => {
  skip(missing !== undefined, missing);
  const brokers = inject("kafkaBrokers");
  stage = await EdgeStage.open({ brokers, redisUrl: inject("redisUrl") });
  place = { brokers, topic: stage.topic };
  logFolder = mkdtempSync(join(tmpdir(), `millrace-registry-${randomUUID()}`));
  registry = await startRegistry(stage.topic, {
    logFolder,
    clock: systemClock,
    tell: () => undefined,
    onBack: () => undefined,
    isPromised: () => false,
  });
});

afterEach(async () => {
  if (missing !== undefined) return;
  await Promise.all([stage.close(), registry.stop(5_000)]);
  rmSync(logFolder, { recursive: true, force: true });
});

describe("the stock clients of the Confluent schema registry", () => {
  it("read what the edge writes and write what it reads, by the product's own registry", async () => {
    const c = "room:stock";
    const edge = await stage.start("edge-1");
    const live = await stage.connect(edge, "live");
    await subscribe(live, c, "live");
    await publish(live, c, ["by the edge"]);
    const { http } = registry.current;
    const foreign = [{ key: c, fields: foreignFields(c, "by the stock serializer") }];
    await writeByReference(place, foreign, "--registry", http);
    await whenHas(live, c, ["by the edge", "by the stock serializer"]);

    const byRegistry = await readByReference(place, "--registry", http);
    expect(byRegistry.events).toEqual([{ event: "end", records: 2, setAside: {} }]);
    expect(byRegistry.lines).toEqual((await readByReference(place)).lines);
  });
});
