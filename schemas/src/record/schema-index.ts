import { readFileSync } from "node:fs";
import avsc from "avsc";
import { longType } from "./long-type.ts";

/**
 * The schemas of the record value, by the id that stands in the Confluent wire format. Ids are
 * fixed in `avro/index.json`, never asked of a registry: what an id means can't change.
 */
export interface SchemaVersion {
  readonly version: number;
  readonly id: number;
  readonly schema: avsc.Schema;
}

const folder = new URL("../../avro/", import.meta.url);

export const SCHEMA_INDEX: {
  readonly subject: string;
  readonly versions: readonly {
    readonly version: number;
    readonly id: number;
    readonly file: string;
  }[];
} = JSON.parse(readFileSync(new URL("index.json", folder), "utf8"));

export const SCHEMA_VERSIONS: readonly SchemaVersion[] = SCHEMA_INDEX.versions.map((entry) => ({
  version: entry.version,
  id: entry.id,
  schema: JSON.parse(readFileSync(new URL(entry.file, folder), "utf8")) as avsc.Schema,
}));

/** The avsc type of a schema, with 64-bit longs and no wrapping of unions. */
export function typeOf(schema: avsc.Schema): avsc.Type {
  return avsc.Type.forSchema(schema, {
    typeHook: (part) => (isLong(part) ? longType : undefined),
    wrapUnions: false,
    omitRecordMethods: true,
  });
}

function isLong(part: avsc.Schema): boolean {
  if (typeof part === "string") return part === "long";
  return !Array.isArray(part) && "type" in part && part.type === "long";
}
