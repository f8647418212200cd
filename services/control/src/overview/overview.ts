import type { Clock } from "@millrace/runtime";
import type { Cluster, ClusterLook } from "../cluster/cluster-look.ts";
import type { EdgeDirectory, EdgesLook } from "../edges/edge-directory.ts";
import type { TopicChecks } from "../cluster/topic-checks.ts";
import type { TopicView } from "../api/views.ts";

/** Everything that is known at one moment: what all views and plans are made of. */
export interface Overview {
  readonly takenAtMs: number;
  readonly topic: string;
  readonly edges: EdgesLook;
  readonly cluster: ClusterLook;
  /** Empty before the first check. */
  readonly topics: readonly TopicView[];
}

export interface OverviewSources {
  readonly topic: string;
  readonly directory: EdgeDirectory;
  readonly cluster: Cluster;
  readonly topicChecks: TopicChecks;
  readonly clock: Clock;
}

/** At most a second old; `isFresh`: taken from now on. Never rejects. */
export async function overviewOf(
  { topic, directory, cluster, topicChecks, clock }: OverviewSources,
  { token, isFresh = false }: { readonly token: string; readonly isFresh?: boolean },
): Promise<Overview> {
  const takenAtMs = Math.trunc(clock.wallMs());
  const [edges, seen, topics] = await Promise.all([
    isFresh ? directory.fresh(token) : directory.look(token),
    isFresh ? cluster.fresh() : cluster.look(),
    topicChecks.told(),
  ]);
  return { takenAtMs, topic, edges, cluster: seen, topics };
}
