import type { ErrFrame } from "@millrace/schemas";
import type { EdgeMetrics } from "../metrics.ts";
import type { PublishOutcome } from "./publish-gate.ts";

/** Why a publish has failed, before it is known how its answer names it. */
export type PublishFailure = Pick<ErrFrame, "code" | "message" | "retryMs" | "unknown">;

const RETRY_MS = 500;

export const BEHIND_FAILURE: PublishFailure = {
  code: "not-appended",
  message: "a publish that it stands behind has failed",
};

const UNAVAILABLE: PublishFailure = {
  code: "unavailable",
  message: "the log did not take it in time",
  retryMs: RETRY_MS,
};

/** What an operator has to look at. */
const REFUSING_SETTING = {
  "too-large": "max.message.bytes",
  invalid: "record format",
  "not-authorized": "write access",
} as const;

const REFUSED = {
  "too-large": { code: "body-too-large", message: "the log takes no record of that size" },
  invalid: { code: "internal", message: "the log does not take this record" },
  "not-authorized": { code: "unavailable", message: "this edge may not write", retryMs: 5_000 },
} as const satisfies Record<string, PublishFailure>;

/** What its sender is told, by frame as over HTTP; what the broker refused is counted. */
export function failureOf(
  outcome: Exclude<PublishOutcome, { readonly kind: "appended" }>,
  { recordsRefused }: Pick<EdgeMetrics, "recordsRefused">,
): PublishFailure {
  switch (outcome.kind) {
    case "refused":
      recordsRefused.inc({ why: REFUSING_SETTING[outcome.code] });
      return REFUSED[outcome.code];
    case "withdrawn":
      return BEHIND_FAILURE;
    case "not-appended":
      return UNAVAILABLE;
    case "unknown":
      return { ...UNAVAILABLE, unknown: true };
  }
}
