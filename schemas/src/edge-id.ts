import { hasControlCharacter, isValidUnicode, utf8Length } from "./text.ts";

/** The name of an edge, as `EDGE_ID` gives it. */
export type EdgeId = string & { readonly __brand: "EdgeId" };

/** A pod's name has at most 253 characters (RFC 1123). */
const EDGE_ID_BYTES_MAX = 255;

export function parseEdgeId(text: unknown): EdgeId | undefined {
  if (typeof text !== "string" || text.length === 0 || !isValidUnicode(text)) return undefined;
  if (hasControlCharacter(text) || utf8Length(text) > EDGE_ID_BYTES_MAX) return undefined;
  return text as EdgeId;
}
