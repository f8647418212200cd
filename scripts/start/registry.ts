import { type CompanionPlace, type RunningCompanion, startCompanion } from "./companion.ts";
import type { Supervised } from "./supervised.ts";

const REGISTRY = {
  name: "registry",
  main: "services/tap/src/main.ts",
  usualPort: 8081,
  readyPath: "/schemas/types",
  hostOption: "TAP_HOST",
  portOption: "TAP_PORT",
};

/** The schemas of the topic, by the Confluent schema registry's API. */
export function startRegistry(
  topic: string,
  place: CompanionPlace,
): Promise<Supervised<RunningCompanion>> {
  return startCompanion(REGISTRY, { TAP_TOPIC: topic }, place);
}
