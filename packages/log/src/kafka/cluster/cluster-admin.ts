import kafkajs from "kafkajs";
import { type Clock, type CredentialSource, systemClock } from "@millrace/runtime";
import { missingTopic, problemsOf } from "../admin.ts";
import { type MemberWords, memberWordsOf } from "../group/membership.ts";
import { type ReplicaWish, alterReassignmentsRequest } from "../protocol/alter-reassignments.ts";
import { type DescribedSettings, describeConfigsRequest } from "../protocol/describe-configs.ts";
import { describeGroupRequest, findCoordinatorRequest } from "../protocol/describe-group.ts";
import { KAFKA_ERRORS, kafkaErrorName } from "../protocol/error-codes.ts";
import { type SettingsChange, alterConfigsRequest } from "../protocol/incremental-alter-configs.ts";
import {
  type PartitionReassignment,
  listReassignmentsRequest,
} from "../protocol/list-reassignments.ts";
import {
  type ClusterNode,
  type PartitionPlacement,
  topicsMetadataRequest,
} from "../protocol/metadata.ts";
import type { TopicProblem, TopicPurpose } from "../topic-expectations.ts";
import { BrokerChannels } from "./broker-channels.ts";

const { AssignerProtocol } = kafkajs;

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

/** Where Kafka says that a setting comes from: from the topic or the broker itself (KIP-226). */
const DYNAMIC_SOURCES = { TOPIC: 1, BROKER: 2 } as const;

/**
 * What operators look at and change in the cluster, beside what it stores. Everything rejects where
 * the cluster does not answer or does not let us; nothing is tried again here.
 *
 * Nothing of it is asked through kafkajs, whose questions all fail while one partition anywhere in the
 * cluster has no leader, which is when operators need the answers most.
 */
export class ClusterAdmin {
  readonly #channels: BrokerChannels;

  constructor(options: ClusterAdminOptions) {
    const { clock = systemClock } = options;
    this.#channels = new BrokerChannels({ ...options, clock });
  }

  /** Brokers, and where the partitions are. */
  async describe(topics: readonly string[] | "all"): Promise<ClusterDescription> {
    const { nodes, topics: answers } = await this.#channels.askAny(topicsMetadataRequest(topics));
    this.#channels.take(nodes);
    const there = answers.filter(({ errorCode }) => isThere(errorCode));
    return {
      brokers: nodes,
      topics: new Map(there.map(({ name, partitions }) => [name, partitions])),
    };
  }

  /** The coordinator is asked for each time: it changes with the brokers. */
  async describeOwnership(groupId: string, topic: string): Promise<OwnershipDescription> {
    const { errorCode, id } = await this.#channels.askAny(findCoordinatorRequest(groupId));
    assertNone(errorCode, `the coordinator of ${groupId}`);
    await this.describe([]);
    const group = await this.#channels.ask(id, describeGroupRequest(groupId));
    assertNone(group.errorCode, `the group ${groupId}`);
    return {
      state: group.state,
      members: group.members.map(({ host, metadata, assignment }) => ({
        host: host.replace(/^\//, ""),
        words: memberWordsOf(metadata),
        partitions: assignmentIn(assignment)[topic] ?? [],
      })),
    };
  }

  async checkTopic(
    topic: string,
    options: { readonly purpose: TopicPurpose; readonly isDevelopment: boolean },
  ): Promise<readonly TopicProblem[]> {
    const { brokers, topics } = await this.describe([topic]);
    const partitions = topics.get(topic);
    if (partitions === undefined) return missingTopic(options.purpose);
    const [described] = await this.#channels.askAny(describeConfigsRequest("TOPIC", [topic]));
    assertDescribed(described);
    const replicas = partitions.map((one) => one.replicas.length);
    const settings = (described?.settings ?? []).map(
      ({ name, value }) => [name, value ?? ""] as const,
    );
    return problemsOf({ nodes: brokers.length, replicas, settings }, options);
  }

  /** Replicas that are on their way, of all topics. */
  async reassignments(): Promise<readonly PartitionReassignment[]> {
    const answer = await this.#channels.askAny(listReassignmentsRequest());
    const { errorCode, errorMessage, partitions } = answer;
    if (errorCode !== KAFKA_ERRORS.NONE) throw new Error(errorMessage ?? kafkaErrorName(errorCode));
    return partitions;
  }

  /**
   * Replicas begin to move; one that is on its way already takes the new way, or is called off. Rejects
   * also where some of them have begun.
   */
  async reassign(wishes: readonly ReplicaWish[]): Promise<void> {
    const answer = await this.#channels.changeByAny(alterReassignmentsRequest(wishes));
    const { errorCode, errorMessage } = answer;
    if (errorCode !== KAFKA_ERRORS.NONE) throw new Error(errorMessage ?? kafkaErrorName(errorCode));
    // Whatever was to be called off may have arrived meanwhile.
    const failed = answer.failed.filter((one) => {
      return one.errorCode !== KAFKA_ERRORS.NO_REASSIGNMENT_IN_PROGRESS;
    });
    const [first] = failed;
    if (first === undefined) return;
    const why = first.errorMessage ?? kafkaErrorName(first.errorCode);
    const begun = `${wishes.length - failed.length} of ${wishes.length} have begun`;
    throw new Error(`${begun}; ${first.topic} ${first.partition} can't be moved: ${why}`);
  }

  /** All that there are and that we may look at, Kafka's own included. */
  async topics(): Promise<readonly string[]> {
    return [...(await this.describe("all")).topics.keys()];
  }

  /**
   * Those that were set dynamically for the topic or the broker itself, and no defaults. Topics that are
   * gone, or whose settings we may not see, are left out. `only` names the settings, else all are told.
   */
  async settingsOf(
    kind: SettingsChange["kind"],
    names: readonly string[],
    only?: readonly string[],
  ): Promise<SettingsByName> {
    const ask = kind === "TOPIC" ? this.#ofTopics(names, only) : this.#ofBrokers(names, only);
    const answers = await ask;
    const seen = answers.filter(({ errorCode }) => !UNSEEN.includes(errorCode));
    for (const answer of seen) assertDescribed(answer);
    return new Map(
      seen.map(({ name, settings }) => [
        name,
        new Map(
          settings
            .filter(({ source }) => source === DYNAMIC_SOURCES[kind])
            .map((setting) => [setting.name, setting.value ?? ""] as const),
        ),
      ]),
    );
  }

  /** Only what is named; each broker is told itself, as Kafka wants it. */
  async changeSettings(changes: readonly SettingsChange[]): Promise<void> {
    const topics = changes.filter(({ kind }) => kind === "TOPIC");
    const brokers = changes.filter(({ kind }) => kind === "BROKER");
    if (topics.length > 0) {
      assertTaken(await this.#channels.changeByAny(alterConfigsRequest(topics)));
    }
    // Where a broker is may have changed since somebody has asked.
    if (brokers.length > 0) await this.describe([]);
    for (const change of brokers) {
      const request = alterConfigsRequest([change]);
      assertTaken(await this.#channels.change(Number(change.name), request));
    }
  }

  close(): void {
    this.#channels.close();
  }

  async #ofTopics(
    names: readonly string[],
    only?: readonly string[],
  ): Promise<readonly DescribedSettings[]> {
    if (names.length === 0) return [];
    return this.#channels.askAny(describeConfigsRequest("TOPIC", names, only));
  }

  /** Each is asked itself: none knows the settings of another one. */
  async #ofBrokers(
    names: readonly string[],
    only?: readonly string[],
  ): Promise<readonly DescribedSettings[]> {
    await this.describe([]);
    const asked = names.map((name) =>
      this.#channels.ask(Number(name), describeConfigsRequest("BROKER", [name], only)),
    );
    return (await Promise.all(asked)).flat();
  }
}

/** What is said of topics that are gone, or that we may not look at. */
const UNSEEN: readonly number[] = [
  KAFKA_ERRORS.UNKNOWN_TOPIC_OR_PARTITION,
  KAFKA_ERRORS.TOPIC_AUTHORIZATION_FAILED,
];

/** By resource name, then by setting. */
export type SettingsByName = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** A topic of which only some partitions have a leader is told with an error of its own. */
function isThere(errorCode: number): boolean {
  return errorCode === KAFKA_ERRORS.NONE || errorCode === KAFKA_ERRORS.LEADER_NOT_AVAILABLE;
}

/** Empty while the group is being distributed. */
function assignmentIn(bytes: Buffer): Readonly<Record<string, number[]>> {
  if (bytes.length === 0) return {};
  return AssignerProtocol.MemberAssignment.decode(bytes)?.assignment ?? {};
}

function assertNone(errorCode: number, what: string): void {
  if (errorCode === KAFKA_ERRORS.NONE) return;
  throw new Error(`${what} is not told: ${kafkaErrorName(errorCode)}`);
}

function assertDescribed(answer: DescribedSettings | undefined): void {
  const { errorCode = KAFKA_ERRORS.NONE, errorMessage = null, name = "" } = answer ?? {};
  if (errorCode === KAFKA_ERRORS.NONE) return;
  const why = errorMessage ?? kafkaErrorName(errorCode);
  throw new Error(`the settings of ${name} are not told: ${why}`);
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
