import kafkajs, { type Admin } from "kafkajs";
import { type Clock, type CredentialSource, systemClock } from "@millrace/runtime";
import { checkTopic } from "../admin.ts";
import { type MemberWords, memberWordsOf } from "../group/membership.ts";
import { KAFKA_ERRORS, kafkaErrorName } from "../protocol/error-codes.ts";
import { type SettingsChange, alterConfigsRequest } from "../protocol/incremental-alter-configs.ts";
import {
  type ClusterNode,
  type PartitionPlacement,
  topicsMetadataRequest,
} from "../protocol/metadata.ts";
import type { TopicProblem, TopicPurpose } from "../topic-expectations.ts";
import { BrokerChannels } from "./broker-channels.ts";
import { KeptAdmin } from "./kept-admin.ts";

const { AssignerProtocol, ConfigResourceTypes } = kafkajs;

export interface ClusterAdminOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly clock?: Clock;
  /** Without it connections are plain. */
  readonly credentials?: CredentialSource;
}

export interface ClusterDescription {
  readonly brokers: readonly ClusterNode[];
  /** Of the topics that are there, also of those without a leader. */
  readonly topics: ReadonlyMap<string, readonly PartitionPlacement[]>;
}

/** The group that decides who owns what, as its coordinator tells. */
export interface OwnershipDescription {
  /** `Stable`, `Empty`, `Dead`, `PreparingRebalance` or `CompletingRebalance`. */
  readonly state: string;
  readonly members: readonly OwnershipMemberDescription[];
}

export interface OwnershipMemberDescription {
  readonly host: string;
  /** Undefined where it speaks in words that are not ours. */
  readonly words: MemberWords | undefined;
  /** What it was given last; none while the group is being distributed. */
  readonly partitions: readonly number[];
}

/** Replicas of one partition on their way; `replicas` are the old and the new ones. */
export interface PartitionReassignment {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

export interface ReplicaPlacement {
  readonly topic: string;
  readonly partition: number;
  /** The preferred leader stands first. */
  readonly replicas: readonly number[];
}

interface MovingTopics {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly replicas: number[];
      readonly addingReplicas: number[];
      readonly removingReplicas: number[];
    }[];
  }[];
}

/** Where Kafka says that a setting comes from: from the topic or the broker itself (KIP-226). */
const DYNAMIC_SOURCES = { TOPIC: 1, BROKER: 2 } as const;

const ALTER_TIMEOUT_MS = 10_000;

/**
 * What operators look at and change in the cluster, beside what it stores. Everything rejects where
 * the cluster does not answer or does not let us; nothing is tried again here.
 */
export class ClusterAdmin {
  readonly #admin: KeptAdmin;
  readonly #channels: BrokerChannels;

  constructor(options: ClusterAdminOptions) {
    const { clock = systemClock } = options;
    this.#admin = new KeptAdmin(options, clock);
    this.#channels = new BrokerChannels({ ...options, clock });
  }

  /**
   * Brokers, and where the partitions are. Asked without kafkajs, which tells nothing of a topic of
   * which one partition has no leader.
   */
  async describe(topics: readonly string[]): Promise<ClusterDescription> {
    const { nodes, topics: answers } = await this.#channels.askAny(topicsMetadataRequest(topics));
    this.#channels.take(nodes);
    const there = answers.filter(({ errorCode }) => isThere(errorCode));
    return {
      brokers: nodes,
      topics: new Map(there.map(({ name, partitions }) => [name, partitions])),
    };
  }

  describeOwnership(groupId: string, topic: string): Promise<OwnershipDescription> {
    return this.#admin.use((admin) => ownershipIn(admin, groupId, topic));
  }

  checkTopic(
    topic: string,
    options: { readonly purpose: TopicPurpose; readonly isDevelopment: boolean },
  ): Promise<readonly TopicProblem[]> {
    return this.#admin.use((admin) => checkTopic(admin, topic, options));
  }

  /** Replicas that are on their way, of all topics. */
  reassignments(): Promise<PartitionReassignment[]> {
    return this.#admin.use(async (admin) => {
      // kafkajs names the fields otherwise than its types say.
      const { topics } = (await admin.listPartitionReassignments({})) as unknown as MovingTopics;
      return topics.flatMap(({ name: topic, partitions }) =>
        partitions.map(({ partition, replicas, addingReplicas, removingReplicas }) => {
          const moving = { adding: addingReplicas, removing: removingReplicas };
          return { topic, partition, replicas, ...moving };
        }),
      );
    });
  }

  /** Replicas begin to move; one that is on its way already takes the new way. */
  reassign(placements: readonly ReplicaPlacement[]): Promise<void> {
    const topics = [...new Set(placements.map(({ topic }) => topic))].map((topic) => ({
      topic,
      partitionAssignment: placements
        .filter((placement) => placement.topic === topic)
        .map(({ partition, replicas }) => ({ partition, replicas: [...replicas] })),
    }));
    const request = { topics, timeout: ALTER_TIMEOUT_MS };
    return this.#admin.use((admin) => admin.alterPartitionReassignments(request));
  }

  /** Those that were set dynamically for the topic or the broker itself, and no defaults. */
  settingsOf(kind: SettingsChange["kind"], names: readonly string[]): Promise<SettingsByName> {
    return this.#admin.use((admin) => dynamicSettings(admin, kind, names));
  }

  /** Only what is named; each broker is told itself, as Kafka wants it. */
  async changeSettings(changes: readonly SettingsChange[]): Promise<void> {
    const topics = changes.filter(({ kind }) => kind === "TOPIC");
    const brokers = changes.filter(({ kind }) => kind === "BROKER");
    if (topics.length > 0) {
      assertTaken(await this.#channels.askAny(alterConfigsRequest(topics)));
    }
    for (const change of brokers) {
      const request = alterConfigsRequest([change]);
      assertTaken(await this.#channels.ask(Number(change.name), request));
    }
  }

  close(): void {
    this.#admin.close();
    this.#channels.close();
  }
}

/** By resource name, then by setting. */
export type SettingsByName = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** A topic of which only some partitions have a leader is told with an error of its own. */
function isThere(errorCode: number): boolean {
  return errorCode === KAFKA_ERRORS.NONE || errorCode === KAFKA_ERRORS.LEADER_NOT_AVAILABLE;
}

async function ownershipIn(
  admin: Admin,
  groupId: string,
  topic: string,
): Promise<OwnershipDescription> {
  const { groups } = await admin.describeGroups([groupId]);
  const [group] = groups;
  const { state = "Dead", members = [] } = group ?? {};
  return {
    state,
    members: members.map(({ clientHost, memberMetadata, memberAssignment }) => ({
      host: clientHost.replace(/^\//, ""),
      words: memberWordsOf(memberMetadata),
      partitions: assignmentIn(memberAssignment)[topic] ?? [],
    })),
  };
}

/** Empty while the group is being distributed. */
function assignmentIn(bytes: Buffer): Readonly<Record<string, number[]>> {
  if (bytes.length === 0) return {};
  return AssignerProtocol.MemberAssignment.decode(bytes)?.assignment ?? {};
}

async function dynamicSettings(
  admin: Admin,
  kind: SettingsChange["kind"],
  names: readonly string[],
): Promise<SettingsByName> {
  const type = ConfigResourceTypes[kind];
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type, name })),
  });
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(
        configEntries
          .filter(({ configSource }) => (configSource as number) === DYNAMIC_SOURCES[kind])
          .map(({ configName, configValue }) => [configName, configValue] as const),
      ),
    ]),
  );
}

function assertTaken(
  answers: readonly {
    readonly errorCode: number;
    readonly errorMessage: string | null;
    readonly name: string;
  }[],
): void {
  const failed = answers.find(({ errorCode }) => errorCode !== KAFKA_ERRORS.NONE);
  if (failed === undefined) return;
  const why = failed.errorMessage ?? kafkaErrorName(failed.errorCode);
  throw new Error(`the settings of ${failed.name} were not changed: ${why}`);
}
