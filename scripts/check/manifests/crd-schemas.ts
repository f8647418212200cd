import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { parse } from "yaml";
import type { ManifestSet } from "./manifest.ts";

/** An OpenAPI v3 schema as the cluster's API understands it. */
type Schema = { readonly [word: string]: unknown };

interface Definition {
  readonly kind: string;
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly schema?: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

/** The schemas of the kinds that operators add to a cluster, out of their definitions. */
export class CrdSchemas {
  readonly #schemas = new Map<string, Schema>();
  readonly #compiled = new Map<string, ValidateFunction>();
  /** Formats such as `int32` say nothing that a range does not say, too. */
  readonly #ajv = new Ajv({
    strict: false,
    validateFormats: false,
    allErrors: true,
    code: { regExp: Object.assign(goPattern, { code: "goPattern" }) },
  });

  constructor(definitions: readonly unknown[]) {
    for (const definition of definitions as readonly Definition[]) {
      const { group, names, versions } = definition.spec;
      for (const { name, schema } of versions) {
        if (!schema) continue;
        this.#schemas.set(`${group}/${name} ${names.kind}`, schema.openAPIV3Schema);
      }
    }
  }

  /** Undefined where there is no such folder. */
  static inFolder(folder: string): CrdSchemas | undefined {
    if (!existsSync(folder)) return undefined;
    const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
    return new CrdSchemas(files.map((file) => parse(readFileSync(join(folder, file), "utf8"))));
  }

  /** What breaks its schema, of those kinds whose schema is known. */
  findings(set: ManifestSet): string[] {
    return set.manifests.flatMap((manifest) => {
      const { apiVersion, kind, metadata } = manifest;
      const validate = this.#validator(`${apiVersion} ${kind}`);
      if (validate === undefined || validate(manifest)) return [];
      return (validate.errors ?? []).map((error) => `${kind} ${metadata.name}: ${wordsOf(error)}`);
    });
  }

  /** Kinds of the set that neither these schemas nor Kubernetes itself know. */
  unknownKinds(set: ManifestSet): string[] {
    const kinds = set.manifests.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`);
    return [...new Set(kinds)].filter((kind) => isCustom(kind) && !this.#schemas.has(kind));
  }

  #validator(name: string): ValidateFunction | undefined {
    const schema = this.#schemas.get(name);
    if (schema === undefined) return undefined;
    const known = this.#compiled.get(name);
    if (known) return known;
    const compiled = this.#ajv.compile(closed(schema) as Schema);
    this.#compiled.set(name, compiled);
    return compiled;
  }
}

/** `apps/v1`, `networking.k8s.io/v1` and the like are the cluster's own; a dot alone does not say so. */
export function isCustom(apiVersion: string): boolean {
  const [group = ""] = apiVersion.split("/");
  return group.includes(".") && !/^[a-z]+(\.authorization)?\.k8s\.io$/.test(group);
}

/**
 * With every object closed that lists its fields: the cluster's API drops an unknown field in
 * silence, or refuses it when asked to be strict. What is said to take anything stays open.
 */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const words = schema as Schema;
  if (words["x-kubernetes-int-or-string"] === true) return { type: ["integer", "string"] };
  const inner = Object.fromEntries(
    Object.entries(words).map(([word, value]) => [
      word,
      word === "properties" ? closedProperties(value as Schema) : closed(value),
    ]),
  );
  const isOpen =
    words["properties"] === undefined ||
    words["additionalProperties"] !== undefined ||
    words["x-kubernetes-preserve-unknown-fields"] === true;
  return isOpen ? inner : { ...inner, additionalProperties: false };
}

/** A field may bear the name of a schema's word. */
function closedProperties(properties: Schema): Schema {
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, closed(schema)]),
  );
}

/** The cluster's API reads patterns as Go does, which may ignore case by a word of the pattern. */
function goPattern(pattern: string, flags: string): RegExp {
  const plain = pattern.replaceAll("(?i)", "");
  return new RegExp(plain, plain === pattern ? flags : `${flags}i`);
}

function wordsOf({ instancePath, message = "is wrong", params }: ErrorObject): string {
  const { additionalProperty, allowedValues } = params as Readonly<{
    additionalProperty?: string;
    allowedValues?: readonly unknown[];
  }>;
  const detail = additionalProperty ?? allowedValues?.join(", ");
  return `${instancePath || "/"} ${message}${detail === undefined ? "" : ` (${detail})`}`;
}
