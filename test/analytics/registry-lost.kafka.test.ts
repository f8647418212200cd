import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "@millrace/runtime";
import { SCHEMA_VERSIONS, encodeMessage } from "@millrace/schemas/record";
import { freePort } from "@millrace/testkit";
import { afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import {
  EdgeStage,
  publish,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import { foreignMessage } from "../../services/edge/src/testing/foreign-message.ts";
import {
  type Place,
  type ReferenceReading,
  readByReference,
  whyNoReference,
  writeByReference,
} from "./reference-run.ts";
import { StubRegistry } from "./stub-registry.ts";

const PREPARE_MS = 600_000;

/** Of a schema that nobody here has a file of. */
const FOREIGN_ID = 4_711;

const newest = must(SCHEMA_VERSIONS.at(-1), "a schema");
const text = JSON.stringify(newest.schema);

let missing: string | undefined;
let stage: EdgeStage;
let place: Place;
let registry: StubRegistry;
let folder: string;

beforeAll(async () => {
  missing = await whyNoReference();
}, PREPARE_MS);

beforeEach(async ({ skip }) => {
  skip(missing !== undefined, missing);
  const brokers = inject("kafkaBrokers");
  stage = await EdgeStage.open({ brokers, redisUrl: inject("redisUrl") });
  place = { brokers, topic: stage.topic };
  registry = await StubRegistry.start();
  folder = mkdtempSync(join(tmpdir(), "millrace-parked-"));
});

afterEach(async () => {
  if (missing !== undefined) return;
  await stage.close();
  await registry.stop();
  rmSync(folder, { recursive: true, force: true });
});

function contentsOf({ lines }: ReferenceReading): unknown[] {
  return lines.map(({ fields }) => fields["content"]);
}

describe("a schema registry", () => {
  // C-083
  it("A registry that is away or emptied stops neither chat nor analytics", async () => {
    const c = "room:registry";
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const first = await stage.spawn("edge-1");
    await publish(await stage.connect(first, "writer"), c, ["before"]);
    await first.kill();
    const edge = await stage.spawn("edge-1");
    const live = await stage.connect(edge, "live");
    await subscribe(live, c, "earliest");
    await publish(await stage.connect(edge, "writer"), c, ["after"]);
    await whenHas(live, c, ["before", "after"]);

    const byFiles = await readByReference(place);
    expect(byFiles).toMatchObject({ code: 0, events: [{ event: "end", records: 2 }] });
    expect(contentsOf(byFiles)).toEqual(["before", "after"]);

    // Away, emptied, and filled anew so that the old id is another schema's.
    registry.schemas.clear();
    const other = text.replace('"content"', '"price"').replace('"sender"', '"seller"');
    const registries: [string, () => void, string][] = [
      [nowhere, () => undefined, "can't be asked"],
      [registry.url, () => undefined, "answers 40403"],
      [registry.url, () => registry.schemas.set(newest.id, other), "has another schema"],
    ];
    for (const [url, arrange, why] of registries) {
      arrange();
      const read = await readByReference(place, "--registry", url);
      expect(read.lines).toEqual(byFiles.lines);
      expect([read.code, read.events]).toEqual([
        0,
        [
          {
            event: "registry",
            why: expect.stringContaining(why),
            instead: "the schema file is used",
          },
          { event: "end", records: 2, setAside: {} },
        ],
      ]);
    }
    // As it should be: nothing to tell.
    registry.schemas.set(newest.id, text);
    const asked = await readByReference(place, "--registry", registry.url);
    expect(asked.lines).toEqual(byFiles.lines);
    expect(asked.events.map(({ event }) => event)).toEqual(["end"]);

    // An id that no file has waits until a registry knows it again; what follows it does not.
    const value = Buffer.from(encodeMessage(foreignMessage(c, "by another schema")));
    value.writeUInt32BE(FOREIGN_ID, 1);
    const [parkedAt] = await writeByReference(place, [{ key: c, hex: value.toString("hex") }]);
    await publish(await stage.connect(edge, "writer"), c, ["last"]);
    await whenHas(live, c, ["before", "after", "last"]);
    const emptied = await readByReference(place, "--registry", registry.url);
    expect(emptied.code).toBe(0);
    expect(contentsOf(emptied)).toEqual(["before", "after", "last"]);
    expect(emptied.events).toEqual([
      expect.objectContaining({ event: "registry", instead: "records with it wait" }),
      expect.objectContaining({ event: "parked", ...parkedAt }),
      { event: "end", records: 3, setAside: { "unknown schema": 1 } },
    ]);
    const parked = join(folder, "parked.ndjson");
    writeFileSync(parked, emptied.stderr);
    const again = ["--registry", registry.url, "--again", parked];
    expect((await readByReference(place, ...again)).events.at(-1)).toMatchObject({ records: 0 });
    registry.schemas.set(FOREIGN_ID, text);
    const taken = await readByReference(place, ...again);
    expect(taken).toMatchObject({ code: 0, lines: [{ conversation: c, ...parkedAt }] });
    expect(contentsOf(taken)).toEqual(["by another schema"]);
    expect(edge.child.hasExited).toBe(false);
  });
});
