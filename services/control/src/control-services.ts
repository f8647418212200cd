import type { ClusterAdmin } from "@millrace/log";
import type { Clock, Logger } from "@millrace/runtime";
import type { Cluster } from "./cluster/cluster-look.ts";
import type { TopicChecks } from "./cluster/topic-checks.ts";
import type { EdgeDirectory } from "./edges/edge-directory.ts";

/** What the API's calls are answered with. */
export interface ControlServices {
  readonly topic: string;
  readonly directory: EdgeDirectory;
  readonly cluster: Cluster;
  readonly admin: ClusterAdmin;
  readonly topicChecks: TopicChecks;
  readonly clientUrls: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}
