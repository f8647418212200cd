import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Downloads are kept in the checkout, and outlive `--fresh`. */
export function cacheFolder(): string {
  return join(fileURLToPath(new URL("../../../", import.meta.url)), ".millrace", "cache");
}
