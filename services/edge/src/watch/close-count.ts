import { CLOSES } from "@millrace/schemas";
import type { EdgeMetrics } from "../metrics.ts";

/** Without a close frame at all (RFC 6455 §7.4.1): a client gone without a word, a broken line. */
const WITHOUT_FRAME = ["1005", "1006"];

const KNOWN = new Set([...Object.keys(CLOSES), ...WITHOUT_FRAME]);

/** A client may close with any of 4,000 codes; each would be a series of its own. */
export function countClose(metrics: EdgeMetrics, code: number): void {
  const text = String(code);
  metrics.closes.inc({ code: KNOWN.has(text) ? text : "other" });
}
