type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Prose, and what code generators add for themselves. */
const MEANINGLESS = new Set(["doc", "avro.java.string"]);

/**
 * A spelling that two texts of one schema have in common. Clients send a schema as their library
 * prints it: attributes in another order, a name with its namespace or without, `"string"` for
 * `{"type":"string"}`, docs kept or dropped. Avro's own Parsing Canonical Form leaves out logical
 * types and defaults, too, but two schemas that differ there are not one.
 */
export function meaningOf(schema: unknown): string {
  return JSON.stringify(spelled(schema as Json));
}

function spelled(part: Json): Json {
  if (Array.isArray(part)) return part.map(spelled);
  if (part === null || typeof part !== "object") return part;
  const entries = Object.entries(withFullName(part as Record<string, Json>))
    .filter(([name]) => !MEANINGLESS.has(name))
    .map(([name, value]) => [name, spelled(value)] as const)
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  const [only] = entries;
  if (only !== undefined && entries.length === 1 && only[0] === "type") return only[1];
  return Object.fromEntries(entries);
}

function withFullName(part: Record<string, Json>): Record<string, Json> {
  const { namespace, name, ...rest } = part;
  if (typeof name !== "string") return part;
  const isBare = typeof namespace !== "string" || name.includes(".");
  return { ...rest, name: isBare ? name : `${namespace}.${name}` };
}
