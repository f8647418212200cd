import { expect, test } from "vitest";
import { importDirection } from "./import-direction.ts";
import { projectOf } from "./project.ts";

function messages(files: Record<string, string>): string[] {
  return importDirection(projectOf(files)).map(({ message }) => message);
}

test("the contract may not import anything of the project", () => {
  const files = { "schemas/src/text.ts": 'import { must } from "@millrace/runtime";' };
  expect(messages(files)).toEqual(['schemas may not import "@millrace/runtime"']);
});

test("the SDK imports nothing but the contract", () => {
  const text = 'import { parsePosition } from "@millrace/schemas";\nimport "@millrace/log";';
  expect(messages({ "packages/client/src/client.ts": text })).toEqual([
    'packages/client may not import "@millrace/log"',
  ]);
});

test("services do not import each other, neither by name nor by path", () => {
  const text = [
    'import { startEdge } from "@millrace/edge";',
    'const edge = await import("../../edge/src/edge.ts");',
  ].join("\n");
  expect(messages({ "services/tap/src/tap.ts": text })).toEqual([
    'services/tap may not import "@millrace/edge"',
    '"../../edge/src/edge.ts" reaches out of services/tap by its path; import the package',
  ]);
});

test("a re-export is an import, also over several lines", () => {
  const text = 'export {\n  startEdge,\n} from "@millrace/edge";';
  expect(importDirection(projectOf({ "packages/log/src/index.ts": text }))).toEqual([
    {
      file: "packages/log/src/index.ts",
      line: 3,
      message: 'packages/log may not import "@millrace/edge"',
    },
  ]);
});

test("a test may use the testkit and the code beside it may not", () => {
  const text = 'import { waitFor } from "@millrace/testkit";';
  expect(messages({ "services/edge/src/hub/hub.test.ts": text })).toEqual([]);
  expect(messages({ "services/edge/src/hub/hub.ts": text })).toHaveLength(1);
});

test("a second file that imports uWebSockets.js is named", () => {
  const text = 'import uws from "uWebSockets.js";';
  const files = { "services/edge/src/server/a.ts": text, "services/edge/src/server/b.ts": text };
  expect(importDirection(projectOf(files)).map(({ file }) => file)).toEqual([
    "services/edge/src/server/b.ts",
  ]);
});

test("of the scripts only the benchmark's bare server imports uWebSockets.js", () => {
  const text = 'import uws from "uWebSockets.js";';
  const server = { "services/edge/src/server/server.ts": text };
  const floor = { "scripts/bench/floor/bare-server.ts": text };
  expect(messages({ ...floor, ...server })).toEqual([]);
  expect(messages({ ...server, "scripts/bench/floor/other.ts": text })).toHaveLength(1);
});

test("kafkajs stays behind the port to the log", () => {
  const text = 'import { Kafka } from "kafkajs";';
  expect(messages({ "services/edge/src/edge.ts": text })).toHaveLength(1);
  expect(messages({ "packages/log/src/kafka/link.ts": text })).toEqual([]);
});

test("scripts may import everything", () => {
  expect(messages({ "scripts/start.ts": 'import "../services/edge/src/config.ts";' })).toEqual([]);
});

test("of the services control alone uses the SDK, for its command line", () => {
  const text = 'import { connect } from "@millrace/client/node";';
  expect(messages({ "services/control/src/cli/tail.ts": text })).toEqual([]);
  expect(messages({ "services/tap/src/tap.ts": text })).toEqual([
    'services/tap may not import "@millrace/client/node"',
  ]);
});
