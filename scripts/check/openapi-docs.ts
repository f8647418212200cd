import { isDeepStrictEqual } from "node:util";
import { OPENAPI_TEXT } from "../../services/edge/src/http/openapi.ts";
import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";

export const OPENAPI_FILE = "docs/openapi.json";

/** The description of HTTP in the docs is the one that the edge serves. */
export function openapiDocs(project: Project): Finding[] {
  const text = project.files.get(OPENAPI_FILE);
  if (text !== undefined && isSame(text)) return [];
  const message = "is not what the edge serves; `npm run check -- --write` puts it in place";
  return [{ file: OPENAPI_FILE, message }];
}

export function openapiText(): string {
  return JSON.stringify(JSON.parse(OPENAPI_TEXT), null, 2);
}

function isSame(text: string): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(text), JSON.parse(OPENAPI_TEXT));
  } catch {
    // No JSON: somebody has edited it by hand.
    return false;
  }
}
