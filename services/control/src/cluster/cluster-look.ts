import type {
  ClusterAdmin,
  ClusterDescription,
  OwnershipDescription,
  PartitionPlacement,
} from "@millrace/log";
import { type Clock, messageOf, within } from "@millrace/runtime";
import { ownershipGroupOf } from "@millrace/schemas";
import { LIMITS } from "../limits.ts";
import { SharedLook } from "../shared-look.ts";

/** What Kafka says; each half may be missing while it does not answer. */
export interface ClusterLook {
  readonly isUp: boolean;
  /** Why something is missing; empty where nothing is. */
  readonly why: string;
  readonly brokers: readonly number[];
  /** Of the messages' topic. */
  readonly partitions: readonly PartitionPlacement[];
  readonly group: OwnershipDescription;
}

const UNKNOWN_GROUP: OwnershipDescription = { state: "Unknown", members: [] };

export class Cluster {
  readonly #admin: ClusterAdmin;
  readonly #topic: string;
  readonly #clock: Clock;
  readonly #look: SharedLook<ClusterLook>;

  constructor(options: {
    readonly admin: ClusterAdmin;
    readonly topic: string;
    readonly clock: Clock;
  }) {
    this.#admin = options.admin;
    this.#topic = options.topic;
    this.#clock = options.clock;
    const look = (): Promise<ClusterLook> => this.#lookAtAll();
    this.#look = new SharedLook({ clock: options.clock, ageMs: LIMITS.lookMs, look });
  }

  /** Of the last second. Never rejects. */
  look(): Promise<ClusterLook> {
    return this.#look.get();
  }

  /** From now on. Never rejects. */
  fresh(): Promise<ClusterLook> {
    return this.#look.fresh();
  }

  /** Partitions were moved: the next look is a new one. */
  forget(): void {
    this.#look.forget();
  }

  async #lookAtAll(): Promise<ClusterLook> {
    const topic = this.#topic;
    const [description, group] = await Promise.allSettled([
      this.#inTime(this.#admin.describe([topic])),
      this.#inTime(this.#admin.describeOwnership(ownershipGroupOf(topic), topic)),
    ]);
    const seen: ClusterDescription =
      description.status === "fulfilled" ? description.value : { brokers: [], topics: new Map() };
    const failed = [description, group].find(({ status }) => status === "rejected");
    return {
      isUp: description.status === "fulfilled",
      why: failed?.status === "rejected" ? messageOf(failed.reason) : "",
      brokers: seen.brokers.map(({ id }) => id),
      partitions: seen.topics.get(topic) ?? [],
      group: group.status === "fulfilled" ? group.value : UNKNOWN_GROUP,
    };
  }

  #inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
    return within(this.#clock, LIMITS.clusterMs, answer);
  }
}
