import { createHash } from "node:crypto";

/** Enough of a hash to tell what was sent from what is stored. */
export function bodySum(body: string): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 12);
}
