import { describe, expect, it } from "vitest";
import { CrdSchemas, isCustom } from "./crd-schemas.ts";
import { parseManifests } from "./manifest.ts";

const DEFINITION = {
  kind: "CustomResourceDefinition",
  spec: {
    group: "mills.example.com",
    names: { kind: "Mill" },
    versions: [
      {
        name: "v1",
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              apiVersion: { type: "string" },
              kind: { type: "string" },
              metadata: { type: "object" },
              spec: {
                type: "object",
                required: ["wheels"],
                properties: {
                  wheels: { type: "integer", minimum: 1, format: "int32" },
                  port: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }] },
                  mood: { type: "string", pattern: "^(?i)(calm|wild)$" },
                  grain: { type: "string", enum: ["rye", "wheat"] },
                  // A field that is named as a word of schemas is.
                  properties: { type: "array", items: { type: "object", properties: {} } },
                  config: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                  labels: { type: "object", additionalProperties: { type: "string" } },
                },
              },
            },
          },
        },
      },
    ],
  },
};

function findings(spec: string): string[] {
  const head = "apiVersion: mills.example.com/v1\nkind: Mill\nmetadata: { name: old }";
  const manifests = parseManifests(`${head}\nspec: ${spec}`, "test");
  return new CrdSchemas([DEFINITION]).findings({ place: "test", manifests });
}

describe("A custom resource", () => {
  it("with what its definition knows is right, whatever stands where anything may", () => {
    expect(
      findings(
        "{ wheels: 2, port: http, config: { a: { b: 1 } }, labels: { any: x }, grain: rye }",
      ),
    ).toEqual([]);
    expect(findings("{ wheels: 2, port: 80, properties: [{}] }")).toEqual([]);
  });

  it("with a field that its definition does not know is found, as deep as it stands", () => {
    expect(findings("{ wheels: 2, wheel: 3 }")).toEqual([
      "Mill old: /spec must NOT have additional properties (wheel)",
    ]);
    expect(findings("{ wheels: 2, properties: [{ type: object }] }")).toEqual([
      "Mill old: /spec/properties/0 must NOT have additional properties (type)",
    ]);
  });

  it("with a wrong value, or without what is needed, is found", () => {
    expect(findings("{ wheels: 0 }")).toEqual(["Mill old: /spec/wheels must be >= 1"]);
    expect(findings("{ wheels: 1, mood: sad }")).toHaveLength(1);
    expect(findings("{ grain: oat }")).toEqual([
      "Mill old: /spec must have required property 'wheels'",
      "Mill old: /spec/grain must be equal to one of the allowed values (rye, wheat)",
    ]);
  });

  it("of a kind or version that has no definition is told", () => {
    const manifests = parseManifests(
      "apiVersion: mills.example.com/v2\nkind: Mill\nmetadata: { name: new }",
      "test",
    );
    expect(new CrdSchemas([DEFINITION]).unknownKinds({ place: "test", manifests })).toEqual([
      "mills.example.com/v2 Mill",
    ]);
  });
});

it("Groups of the cluster's own are told from those of operators", () => {
  expect(["v1", "apps/v1", "policy/v1", "networking.k8s.io/v1"].map(isCustom)).not.toContain(true);
  expect(isCustom("rbac.authorization.k8s.io/v1")).toBe(false);
  expect(["gateway.networking.k8s.io/v1", "kafka.strimzi.io/v1"].map(isCustom)).toEqual([
    true,
    true,
  ]);
});
