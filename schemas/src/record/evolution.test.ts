import type { Schema } from "avsc";
import { describe, expect, it } from "vitest";
import { evolutionProblems } from "./evolution.ts";
import {
  AUDIT_VERSIONS,
  CONTROL_VERSIONS,
  CURSOR_VERSIONS,
  SCHEMA_VERSIONS,
  typeOf,
} from "./schema-index.ts";

const ALL = [SCHEMA_VERSIONS, CURSOR_VERSIONS, CONTROL_VERSIONS, AUDIT_VERSIONS];

const TEXT = { name: "text", type: "string" };
const NOTE = { name: "note", type: ["null", "string"], default: null };
const COUNT = { name: "count", type: "int", default: 0 };

function record(...fields: readonly object[]): Schema {
  return { type: "record", name: "Example", fields } as Schema;
}

function problemsOf(...schemas: readonly Schema[]): string[] {
  return evolutionProblems(
    schemas.map((schema, index) => ({ version: index + 1, id: index + 1, schema })),
  );
}

describe("the schema of the record", () => {
  it("in every version reads what every other one has written", () => {
    for (const versions of ALL) {
      expect(evolutionProblems(versions)).toEqual([]);
      expect(versions.length).toBeGreaterThan(0);
    }
  });

  it("never shares an id with another subject's", () => {
    const ids = ALL.flat().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("the check of its evolution", () => {
  it.each<[string, Schema]>([
    ["a field with a default is added", record(TEXT, COUNT, NOTE)],
    ["a field with a default is taken away", record(TEXT)],
    ["a doc is changed", record({ ...TEXT, doc: "words" }, COUNT)],
    ["fields are sorted otherwise", record(COUNT, TEXT)],
  ])("lets in that %s", (_, next) => {
    expect(problemsOf(record(TEXT, COUNT), next)).toEqual([]);
  });

  it.each<[string, Schema]>([
    ["a field without a default is added", record(TEXT, COUNT, { name: "more", type: "string" })],
    ["a field without a default is taken away", record(COUNT)],
    ["a field is renamed", record({ ...TEXT, name: "words" }, COUNT)],
    ["a number is widened", record(TEXT, { ...COUNT, type: "long" })],
    ["a type is changed", record({ ...TEXT, type: "boolean" }, COUNT)],
    ["a field may be null from now on", record({ ...TEXT, type: ["null", "string"] }, COUNT)],
  ])("does not let in that %s", (_, next) => {
    expect(problemsOf(record(TEXT, COUNT), next)).not.toEqual([]);
  });

  it("compares with every earlier version, not with the last one only", () => {
    const problems = problemsOf(record(TEXT), record(TEXT, COUNT), record(TEXT, NOTE), {
      type: "record",
      name: "Example",
      fields: [TEXT, { name: "count", type: "string", default: "" }],
    });
    expect(problems.map((problem) => problem.slice(0, 30))).toEqual([
      "version 2 can't read version 4",
      "version 4 can't read version 2",
    ]);
  });

  it("knows a used id and a hole in the numbers", () => {
    const schema = record(TEXT);
    const [first, second] = [
      { version: 1, id: 1, schema },
      { version: 3, id: 1, schema },
    ];
    expect(evolutionProblems([first, second])).toEqual([
      "version 3 stands at 2",
      "version 3 has the id 1 of an earlier one",
    ]);
  });
});

// C-082
it("Every reader version can read every writer version that was let in", () => {
  // What was let in over time: fields with defaults come and go, docs and the order change.
  const versions = [
    record(TEXT),
    record(TEXT, COUNT),
    record(COUNT, { ...TEXT, doc: "words" }, NOTE),
    record(TEXT, NOTE),
  ];
  expect(problemsOf(...versions)).toEqual([]);
  const types = versions.map((schema) => typeOf(schema));
  for (const reader of types) {
    for (const writer of types) {
      const written = writer.toBuffer({ text: "x", count: 7, note: "n" });
      const read = reader.fromBuffer(written, reader.createResolver(writer)) as { text: string };
      expect(read.text).toBe("x");
    }
  }
  // What is proposed and would break somebody is refused, by the name of what it is about.
  const proposals: readonly (readonly [Schema, string])[] = [
    [record(TEXT, COUNT, { name: "more", type: "string" }), "more"],
    [record(TEXT, COUNT, { name: "note", type: ["string", "null"], default: null }), "string"],
    [record({ ...TEXT, name: "words" }, COUNT), "words"],
    [record(TEXT, { ...COUNT, type: "long" }), "field count"],
    [record(COUNT), "text"],
    [{ ...(record(TEXT, COUNT) as object), namespace: "elsewhere" } as Schema, "elsewhere.Example"],
  ];
  for (const [proposal, name] of proposals) {
    const problems = problemsOf(...versions, proposal);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join("\n")).toContain(name);
  }
});
