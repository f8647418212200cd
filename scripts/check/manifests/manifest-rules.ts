import { drainBudget } from "./drain-budget.ts";
import { logRights } from "./log-rights.ts";
import { logTopics } from "./log-topics.ts";
import type { ManifestSet } from "./manifest.ts";
import { memoryRoom } from "./memory-room.ts";
import { probes } from "./probes.ts";
import { proxyPatience } from "./proxy-patience.ts";
import { proxyTemplate } from "./proxy-template.ts";
import { references } from "./references.ts";
import { serviceOptions } from "./service-options.ts";

/** What no schema knows: how the manifests fit each other, and the code. */
const RULES: readonly ((set: ManifestSet) => string[])[] = [
  serviceOptions,
  drainBudget,
  memoryRoom,
  proxyPatience,
  proxyTemplate,
  probes,
  references,
  logTopics,
  logRights,
];

export function manifestFindings(set: ManifestSet): string[] {
  return RULES.flatMap((rule) => rule(set)).map((message) => `${set.place}: ${message}`);
}
