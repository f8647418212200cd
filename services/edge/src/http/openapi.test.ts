import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, it } from "vitest";
import { PROBES } from "./http-api.ts";
import { OPENAPI, OPENAPI_TEXT } from "./openapi.ts";
import { ROUTES } from "./routes.ts";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];

it("is valid OpenAPI 3.1", async () => {
  const validator = new Validator();
  const copy = JSON.parse(OPENAPI_TEXT) as Record<string, unknown>;
  expect(await validator.validate(copy)).toEqual({ valid: true });
  expect(validator.version).toBe("3.1");
  // What it refers to by name is there.
  expect(JSON.stringify(validator.resolveRefs())).not.toContain('"$ref"');
  const { valid } = await validator.validate({ ...copy, paths: { "no slash": {} } });
  expect(valid).toBe(false);
});

it("describes every route, and no other", () => {
  const described = Object.entries(OPENAPI.paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((name) => METHODS.includes(name))
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  const answered = [
    ...ROUTES.map(({ method, path }) => `${method} ${path}`),
    ...PROBES.map((path) => `GET ${path}`),
  ];
  expect(new Set(described)).toEqual(new Set(answered));
  expect(described).toHaveLength(answered.length);
});
