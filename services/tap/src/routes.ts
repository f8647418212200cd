import { type Answer, ok, refusals } from "./answer.ts";
import type { Registry } from "./registry.ts";

/** A request, as far as the registry cares. */
export interface Request {
  readonly method: string;
  /** Path and query, as they came. */
  readonly target: string;
  readonly body: string;
}

/**
 * The REST API of the Confluent Schema Registry, as far as it reads:
 * https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */
export function route(registry: Registry, { method, target, body }: Request): Answer {
  const [path = "", query = ""] = target.split("?", 2);
  const parts = segmentsOf(path);
  if (parts === undefined) return refusals.unknownPath();
  const [first, subject, ...rest] = parts;
  const isLookup = first === "subjects" && subject !== undefined && rest.length === 0;
  if (method === "POST" && isLookup) return lookup(registry, subject, body);
  if (method !== "GET" && method !== "HEAD") return refusals.readOnly();
  return read(registry, parts, new URLSearchParams(query)) ?? refusals.unknownPath();
}

function read(
  registry: Registry,
  [first = "", second, ...rest]: readonly string[],
  query: URLSearchParams,
): Answer | undefined {
  switch (first) {
    case "":
      return second === undefined ? ok({}) : undefined;
    case "schemas":
      if (second === "types" && rest.length === 0) return ok(["AVRO"]);
      return second === "ids" ? readId(registry, rest) : undefined;
    case "subjects":
      if (second === undefined) return registry.subjects(query.get("subjectPrefix") ?? "");
      return readSubject(registry, second, rest);
    case "config":
      return rest.length > 0 ? undefined : registry.config(ownName(second, query));
    case "mode":
      return rest.length > 0 ? undefined : registry.mode(ownName(second, query));
    default:
      return undefined;
  }
}

function readId(
  registry: Registry,
  [text = "", what, ...rest]: readonly string[],
): Answer | undefined {
  if (!/^\d{1,10}$/.test(text) || rest.length > 0) return undefined;
  const id = Number(text);
  switch (what) {
    case undefined:
      return registry.schemaById(id);
    case "schema":
      return registry.schemaTextById(id);
    case "subjects":
      return registry.subjectsOfId(id);
    case "versions":
      return registry.versionsOfId(id);
    default:
      return undefined;
  }
}

function readSubject(
  registry: Registry,
  subject: string,
  [versions, version, schema, ...rest]: readonly string[],
): Answer | undefined {
  if (versions !== "versions" || rest.length > 0) return undefined;
  if (version === undefined) return registry.versions(subject);
  if (schema === undefined) return registry.version(subject, version);
  return schema === "schema" ? registry.schemaText(subject, version) : undefined;
}

/** Where the client asks for what holds anyway, the subject need not have a say of its own. */
function ownName(subject: string | undefined, query: URLSearchParams): string | undefined {
  return query.get("defaultToGlobal") === "true" ? undefined : subject;
}

function lookup(registry: Registry, subject: string, body: string): Answer {
  const request = jsonOf(body);
  if (request === undefined) return refusals.badRequest("The body is no JSON object.");
  const { schema, schemaType = "AVRO" } = request;
  if (typeof schema !== "string") return refusals.badSchema("the field schema is missing");
  if (schemaType !== "AVRO") return refusals.unknownSchema();
  try {
    return registry.lookup(subject, JSON.parse(schema));
  } catch (error) {
    if (error instanceof SyntaxError) return refusals.badSchema("it is no JSON");
    // Nested deeper than anybody's schema: the stack ends before it does.
    if (error instanceof RangeError) return refusals.badSchema("it is nested too deeply");
    throw error;
  }
}

function jsonOf(body: string): { readonly [name: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(body);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    // What it is instead does not matter to its sender.
    return undefined;
  }
}

/** Undefined for a path that is not well encoded. */
function segmentsOf(path: string): string[] | undefined {
  try {
    return path.replace(/^\//, "").replace(/\/$/, "").split("/").map(decodeURIComponent);
  } catch {
    // A percent sign that begins nothing.
    return undefined;
  }
}
