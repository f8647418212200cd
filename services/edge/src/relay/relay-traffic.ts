import type { Ownership } from "@millrace/log";
import type { TailFollower } from "../tail/partition-tail.ts";
import type { RelayedPartitionOptions } from "./relayed-partition.ts";

type RelayHubs = RelayedPartitionOptions["hubs"];

/**
 * Counts each record once on an edge that is relayed to: whoever owns a partition reads all of it
 * for the others, and on all others it is what goes to the hubs, the part that somebody may want.
 */
export function relayTraffic(
  { traffic, hubs }: { readonly traffic: TailFollower; readonly hubs: RelayHubs },
  ownership: Pick<Ownership, "owned">,
): { readonly hubs: RelayHubs; readonly follower: TailFollower } {
  return {
    hubs: {
      take: (chunk) => {
        if (!ownership.owned.has(chunk.partition)) traffic.passed(chunk);
        hubs.take(chunk);
      },
      break: (partition) => hubs.break(partition),
      hasIn: (partition, bucket) => hubs.hasIn(partition, bucket),
    },
    follower: {
      began: () => undefined,
      passed: (chunk) => {
        if (ownership.owned.has(chunk.partition)) traffic.passed(chunk);
      },
    },
  };
}
