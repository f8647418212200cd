import type { Admin, ITopicConfig } from "kafkajs";
import { withAdmin } from "./kafka-client.ts";
import { waitFor } from "./wait-for.ts";

/** Where a partition is kept, as nodes counted from 1. */
export interface PartitionPlace {
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  /** The preferred leader stands first. */
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

const TIMEOUT_MS = 90_000;
const LED_TIMEOUT_MS = 60_000;

/** Of one topic, or of all that the cluster has, its own included. */
export function placesOf(brokers: readonly string[], topic?: string): Promise<PartitionPlace[]> {
  return withAdmin(brokers, (admin) => placesBy(admin, topic));
}

/**
 * A topic that nobody has made yet. Resolves when each of its partitions is led and all of the
 * brokers know it: the client's own waiting gives up on a slow cluster.
 */
export async function makeTopic(brokers: readonly string[], config: ITopicConfig): Promise<void> {
  const { topic } = config;
  await withAdmin(brokers, (admin) =>
    admin.createTopics({ topics: [config], waitForLeaders: false }),
  );
  for (const broker of brokers) {
    await whenPlaced([broker], topic, {
      what: `${broker} knows ${topic}`,
      fits: ({ leader }) => leader >= 0,
      timeoutMs: LED_TIMEOUT_MS,
    });
  }
}

/** Resolves when each of the brokers says that every replica of every topic is in sync. */
export async function whenInSync(brokers: readonly string[]): Promise<void> {
  for (const broker of brokers) {
    await whenPlaced([broker], undefined, {
      what: "every replica is in sync",
      fits: ({ replicas, inSync }) => replicas.length === inSync.length,
    });
  }
}

/**
 * Moves all partitions of the topic to the replicas that are made of their present ones. Resolves
 * when they are there, whole, and led by the first of them.
 */
export async function reassign(
  brokers: readonly string[],
  topic: string,
  replicasOf: (place: PartitionPlace) => number[],
): Promise<void> {
  const partitionAssignment = (await placesOf(brokers, topic)).map((place) => ({
    partition: place.partition,
    replicas: replicasOf(place),
  }));
  await withAdmin(brokers, (admin) =>
    admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] }),
  );
  const wanted = new Map(
    partitionAssignment.map(({ partition, replicas }) => [partition, replicas.join()]),
  );
  await whenPlaced(brokers, topic, {
    what: `${topic} is where it was moved to`,
    fits: ({ partition, leader, replicas, inSync }) =>
      replicas.join() === wanted.get(partition) &&
      inSync.length === replicas.length &&
      leader === replicas[0],
  });
}

async function whenPlaced(
  brokers: readonly string[],
  topic: string | undefined,
  wanted: {
    readonly what: string;
    readonly fits: (place: PartitionPlace) => boolean;
    readonly timeoutMs?: number;
  },
): Promise<void> {
  const { what, fits, timeoutMs = TIMEOUT_MS } = wanted;
  await withAdmin(brokers, (admin) => {
    const areThere = async (): Promise<boolean> => {
      try {
        const places = await placesBy(admin, topic);
        return places.length > 0 && places.every(fits);
      } catch {
        // A partition without a leader, or a broker that is not whole yet: it is asked again.
        return false;
      }
    };
    return waitFor(areThere, { what, timeoutMs });
  });
}

export async function placesBy(admin: Admin, topic: string | undefined): Promise<PartitionPlace[]> {
  const asked = topic === undefined ? undefined : { topics: [topic] };
  const { topics } = await admin.fetchTopicMetadata(asked);
  return topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionId: partition, leader, replicas, isr: inSync }) => {
      return { topic: name, partition, leader, replicas, inSync };
    }),
  );
}
