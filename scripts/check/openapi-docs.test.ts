import { expect, it } from "vitest";
import { OPENAPI_FILE, openapiDocs, openapiText } from "./openapi-docs.ts";

it.each([
  ["nothing", undefined, 1],
  ["no JSON", "{", 1],
  ["another description", '{"openapi":"3.1.0"}', 1],
  ["what the edge serves, however it is spaced", openapiText().replaceAll("\n", "\n "), 0],
])("finds fault with %s as it should", (_, text, findings) => {
  const files = new Map(text === undefined ? [] : [[OPENAPI_FILE, text]]);
  expect(openapiDocs({ files })).toHaveLength(findings);
});
