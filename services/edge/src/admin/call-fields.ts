import { refuse } from "../admission/refusal.ts";
import { parseJsonBody } from "../http/json-body.ts";
import type { AdminCall } from "./admin-routes.ts";

/** A field that nobody knows is a mistake: here it could be a wish that is not carried out. */
export function fieldsOf(
  { body }: Pick<AdminCall, "body">,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (body.length === 0) return {};
  const json = parseJsonBody(body);
  if (json.kind === "refused") return refuse(400, json.failure.message);
  const other = Object.keys(json.fields).find((name) => !known.includes(name));
  if (other !== undefined) refuse(400, "the body has a field that is not known here");
  return json.fields;
}
