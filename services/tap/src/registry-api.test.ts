import { SCHEMA_VERSIONS } from "@millrace/schemas/record";
import { must } from "@millrace/runtime";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { Registry } from "./registry.ts";
import { type RegistryServer, startServer } from "./server.ts";

const SUBJECT = "chat.messages-value";
const newest = must(SCHEMA_VERSIONS.at(-1), "a schema");
const text = JSON.stringify(newest.schema);

/** As a topic looks that has seen a change of its schema. */
const OTHER = {
  topic: "other/topic",
  versions: [
    { version: 1, id: 7, schema: { type: "record", name: "Part", namespace: "a.b", fields: [] } },
    {
      version: 2,
      id: 9,
      schema: {
        type: "record",
        name: "Part",
        namespace: "a.b",
        doc: "more",
        fields: [{ name: "at", type: { type: "long", logicalType: "timestamp-millis" } }],
      },
    },
  ],
};

let server: RegistryServer;

beforeEach(async () => {
  const topics = [{ topic: "chat.messages", versions: SCHEMA_VERSIONS }, OTHER];
  server = await startServer(new Registry(topics), { host: "127.0.0.1", port: 0 });
});

afterEach(() => server.close());

async function ask(target: string, init?: RequestInit): Promise<[number, unknown]> {
  const response = await fetch(`http://127.0.0.1:${server.port}${target}`, init);
  expect(response.headers.get("content-type")).toBe("application/vnd.schemaregistry.v1+json");
  return [response.status, await response.json()];
}

function lookup(subject: string, body: unknown): Promise<[number, unknown]> {
  const content = typeof body === "string" ? body : JSON.stringify(body);
  return ask(`/subjects/${encodeURIComponent(subject)}`, { method: "POST", body: content });
}

describe("the registry", () => {
  it("gives each schema by its id, by its subject and by its version", async () => {
    const versions = SCHEMA_VERSIONS.map(({ version }) => version);
    const shown = { subject: SUBJECT, version: newest.version, id: newest.id, schema: text };
    const answers: [string, unknown][] = [
      ["/", {}],
      ["/schemas/types", ["AVRO"]],
      [`/schemas/ids/${newest.id}`, { schema: text }],
      [`/schemas/ids/${newest.id}?subject=${SUBJECT}&fetchMaxId=false`, { schema: text }],
      [`/schemas/ids/${newest.id}/schema`, newest.schema],
      [`/schemas/ids/${newest.id}/subjects`, [SUBJECT]],
      [`/schemas/ids/${newest.id}/versions`, [{ subject: SUBJECT, version: newest.version }]],
      ["/subjects", [SUBJECT, "other/topic-value"]],
      ["/subjects/?subjectPrefix=chat", [SUBJECT]],
      [`/subjects/${SUBJECT}/versions`, versions],
      [`/subjects/${SUBJECT}/versions/${newest.version}`, shown],
      [`/subjects/${SUBJECT}/versions/latest`, shown],
      [`/subjects/${SUBJECT}/versions/-1`, shown],
      [`/subjects/:.:${SUBJECT}/versions/latest/`, shown],
      [`/subjects/${SUBJECT}/versions/latest/schema`, newest.schema],
      ["/subjects/other%2Ftopic-value/versions", [1, 2]],
      ["/config", { compatibilityLevel: "FULL_TRANSITIVE" }],
      [`/config/${SUBJECT}`, { compatibilityLevel: "FULL_TRANSITIVE" }],
      ["/config/none?defaultToGlobal=true", { compatibilityLevel: "FULL_TRANSITIVE" }],
      ["/mode", { mode: "READONLY" }],
      [`/mode/${SUBJECT}`, { mode: "READONLY" }],
    ];
    for (const [target, wanted] of answers) {
      expect([target, ...(await ask(target))]).toEqual([target, 200, wanted]);
    }
  });

  it("says what is not there with the codes that its clients know", async () => {
    const refused: [string, number, number][] = [
      ["/schemas/ids/4711", 404, 40_403],
      ["/schemas/ids/4711/schema", 404, 40_403],
      ["/schemas/ids/4711/versions", 404, 40_403],
      ["/subjects/none/versions", 404, 40_401],
      ["/subjects/none/versions/1", 404, 40_401],
      [`/subjects/${SUBJECT}/versions/4711`, 404, 40_402],
      [`/subjects/${SUBJECT}/versions/4711/schema`, 404, 40_402],
      [`/subjects/${SUBJECT}/versions/0`, 422, 42_202],
      [`/subjects/${SUBJECT}/versions/newest`, 422, 42_202],
      [`/subjects/${SUBJECT}/versions/2147483648`, 422, 42_202],
      ["/config/none", 404, 40_401],
      ["/mode/none", 404, 40_401],
      ["/schemas/ids/one", 404, 404],
      ["/schemas/ids/1/schema/more", 404, 404],
      ["/elsewhere", 404, 404],
      ["/subjects/%", 404, 404],
    ];
    for (const [target, status, code] of refused) {
      const [answered, body] = await ask(target);
      expect([target, answered, body]).toEqual([
        target,
        status,
        { error_code: code, message: expect.any(String) },
      ]);
    }
  });

  it("finds a schema by its text, however a library spells it, and registers nothing", async () => {
    const found = { subject: SUBJECT, version: newest.version, id: newest.id, schema: text };
    expect(await lookup(SUBJECT, { schema: text })).toEqual([200, found]);
    const { fields, ...rest } = newest.schema as unknown as Record<string, unknown>;
    const turned = { fields, ...Object.fromEntries(Object.entries(rest).toReversed()) };
    const undocumented = JSON.stringify(turned, (name, value: unknown) =>
      name === "doc" ? undefined : value,
    );
    const byJava = '{"type":"string","avro.java.string":"String"}';
    const respelled = undocumented.replaceAll('"string"', byJava);
    const full = { schema: respelled.replace('"Message"', '"millrace.chat.Message"') };
    expect(await lookup(SUBJECT, { ...full, schemaType: "AVRO" })).toEqual([200, found]);

    const micros = text.replace("timestamp-millis", "timestamp-micros");
    expect(micros).not.toBe(text);
    for (const schema of [micros, '"string"', "[]"]) {
      expect(await lookup(SUBJECT, { schema })).toMatchObject([404, { error_code: 40_403 }]);
    }
    expect(await lookup("none", { schema: text })).toMatchObject([404, { error_code: 40_401 }]);
    expect(await lookup(SUBJECT, { schema: "{" })).toMatchObject([422, { error_code: 42_201 }]);
    expect(await lookup(SUBJECT, {})).toMatchObject([422, { error_code: 42_201 }]);
    const nested = "[".repeat(100_000) + "]".repeat(100_000);
    expect(await lookup(SUBJECT, { schema: nested })).toMatchObject([422, { error_code: 42_201 }]);
    for (const body of ["", "[]", "null", "no JSON"]) {
      expect(await lookup(SUBJECT, body)).toMatchObject([400, { error_code: 400 }]);
    }
    const large = "x".repeat(LIMITS.bodyBytes + 1);
    expect(await lookup(SUBJECT, large)).toMatchObject([413, { error_code: 413 }]);
    expect(await ask("/subjects")).toEqual([200, [SUBJECT, "other/topic-value"]]);
  });

  it("refuses every write, and says where schemas are changed", async () => {
    const body = JSON.stringify({ schema: text });
    const writes: [string, string][] = [
      ["POST", `/subjects/${SUBJECT}/versions`],
      ["POST", `/compatibility/subjects/${SUBJECT}/versions/latest`],
      ["PUT", "/config"],
      ["PUT", `/config/${SUBJECT}`],
      ["PUT", "/mode"],
      ["DELETE", `/subjects/${SUBJECT}`],
      ["DELETE", `/subjects/${SUBJECT}/versions/1`],
      ["PATCH", "/subjects"],
      ["POST", "/elsewhere"],
    ];
    for (const [method, target] of writes) {
      const [status, refusal] = await ask(target, { method, body });
      expect([method, target, status]).toEqual([method, target, 405]);
      expect(refusal).toMatchObject({
        error_code: 405,
        message: expect.stringContaining("reviewed in the repository"),
      });
    }
    expect(await ask(`/subjects/${SUBJECT}/versions`)).toMatchObject([200, expect.any(Array)]);
  });

  it("answers a HEAD without a body", async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/subjects`, { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });
});
