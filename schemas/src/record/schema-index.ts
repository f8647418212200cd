import { readFileSync } from "node:fs";
import avsc from "avsc";
import { longType } from "./long-type.ts";

/**
 * The schemas of the record value, by the id that stands in the Confluent wire format. Ids are
 * fixed in `avro/index.json`, `cursors.json`, `control.json` and `audit.json`, never asked of a registry: what an id
 * means can't change.
 */
export interface SchemaVersion {
  readonly version: number;
  readonly id: number;
  readonly schema: avsc.Schema;
}

const folder = new URL("../../avro/", import.meta.url);

export interface SchemaIndex {
  readonly subject: string;
  readonly versions: readonly {
    readonly version: number;
    readonly id: number;
    readonly file: string;
  }[];
}

export const SCHEMA_INDEX = indexOf("index.json");

export const SCHEMA_VERSIONS = versionsOf(SCHEMA_INDEX);

/** Those of `chat.cursors`; an id is never used twice, whatever the subject. */
export const CURSOR_VERSIONS = versionsOf(indexOf("cursors.json"));

/** Those of `chat.control`. */
export const CONTROL_VERSIONS = versionsOf(indexOf("control.json"));

/** Those of `chat.audit`. */
export const AUDIT_VERSIONS = versionsOf(indexOf("audit.json"));

function indexOf(file: string): SchemaIndex {
  return JSON.parse(readFileSync(new URL(file, folder), "utf8")) as SchemaIndex;
}

function versionsOf({ versions }: SchemaIndex): readonly SchemaVersion[] {
  return versions.map(({ version, id, file }) => ({
    version,
    id,
    schema: JSON.parse(readFileSync(new URL(file, folder), "utf8")) as avsc.Schema,
  }));
}

/** A map's entry, see {@link typeOf}. */
export interface MapEntry {
  readonly name: string;
  readonly value: string;
}

/**
 * The avsc type of a schema: longs have all 64 bits, unions are not wrapped, and a record's map is
 * the list of its entries. That has the same bytes (Avro 1.12, "Maps": blocks of key and value), but
 * a key named `__proto__` stays a key, where avsc's own map would lose it.
 */
export function typeOf(schema: avsc.Schema): avsc.Type {
  return avsc.Type.forSchema(withEntries(schema), {
    typeHook: (part) => (isLong(part) ? longType : undefined),
    wrapUnions: false,
    omitRecordMethods: true,
  });
}

function isLong(part: avsc.Schema): boolean {
  if (typeof part === "string") return part === "long";
  return !Array.isArray(part) && "type" in part && part.type === "long";
}

interface Field {
  readonly name: string;
  readonly type: avsc.Schema;
  readonly default?: unknown;
}

function withEntries(schema: avsc.Schema): avsc.Schema {
  if (typeof schema === "string" || !("fields" in schema)) return schema;
  const fields = (schema.fields as readonly Field[]).map((field) =>
    isTextMap(field.type) ? entriesField(field) : field,
  );
  return { ...schema, fields };
}

function entriesField({ name, default: fallback }: Field): Field {
  const text = { type: "string" } as const;
  const parts = [
    { name: "name", ...text },
    { name: "value", ...text },
  ];
  const items = { type: "record", name: `${name}Entry`, fields: parts } as avsc.Schema;
  const type = { type: "array", items } as avsc.Schema;
  if (fallback === undefined) return { name, type };
  const entries = Object.entries(fallback as Record<string, string>);
  return { name, type, default: entries.map(([key, value]) => ({ name: key, value })) };
}

function isTextMap(part: avsc.Schema): boolean {
  if (typeof part === "string" || Array.isArray(part) || !("type" in part)) return false;
  return part.type === "map" && "values" in part && part.values === "string";
}
