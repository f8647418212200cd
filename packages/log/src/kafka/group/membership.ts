import kafkajs, {
  type Assigner,
  type Cluster,
  type GroupMember,
  type GroupMemberAssignment,
  type PartitionAssigner,
} from "kafkajs";
import type { OwnershipMember } from "../../ownership.ts";
import { type Candidate, assignPartitions } from "./assignment.ts";

const { AssignerProtocol } = kafkajs;

/**
 * The metadata travels as JSON, with this version as `v`. Fields may be added to a version: who does not
 * know them ignores them. Who says another version is not understood.
 */
const VERSION = 1;
const NAME = "millrace";

/** Of Kafka's own words around ours (KIP-54), whatever ours are. */
const CONSUMER_PROTOCOL = 1;

/** What a member says when it joins. */
export interface MemberWords extends OwnershipMember {
  readonly owned: readonly number[];
  readonly givenMs: number;
  /**
   * How often it has asked for another distribution: a coordinator takes other words of a member for a
   * reason to have one, whoever of them it is, and the same words for none.
   */
  readonly asked?: number;
}

export interface AssignerOptions {
  readonly topic: string;
  /** Of the topic's incarnation: those that were added behind our back are nobody's. */
  readonly partitions: () => number;
  /** Partitions that operators have tied to an edge. */
  readonly pins: () => ReadonlyMap<number, string>;
  readonly self: () => MemberWords;
  /** A member's words are of another version, or none of ours. */
  readonly onUnreadable?: () => void;
  /** This member has distributed, with those pins. */
  readonly onAssigned?: (pins: ReadonlyMap<number, string>) => void;
  /** Given to kafkajs, the assigner gets the way to the group's coordinator. */
  readonly onCluster?: (cluster: Cluster) => void;
}

/** The group's assigner, in the words of Kafka's consumer protocol (KIP-54, KIP-341). */
export function millraceAssigner(options: AssignerOptions): PartitionAssigner {
  return ({ cluster }): Assigner => {
    options.onCluster?.(cluster);
    return {
      name: NAME,
      version: CONSUMER_PROTOCOL,
      protocol: ({ topics }) => {
        const userData = Buffer.from(JSON.stringify({ v: VERSION, ...options.self() }));
        const words = { version: CONSUMER_PROTOCOL, topics, userData };
        return { name: NAME, metadata: AssignerProtocol.MemberMetadata.encode(words) };
      },
      assign: async ({ members }) => distributed(options, members),
    };
  };
}

function distributed(
  { topic, partitions, pins, onUnreadable, onAssigned }: AssignerOptions,
  members: readonly GroupMember[],
): GroupMemberAssignment[] {
  const candidates = members
    .map(({ memberId, memberMetadata }) => {
      const candidate = memberWordsOf(memberMetadata);
      if (candidate === undefined) onUnreadable?.();
      return { memberId, ...(candidate ?? strangerOf(memberId)) };
    })
    .toSorted((one, other) => other.givenMs - one.givenMs);
  const present = new Map(pins());
  onAssigned?.(present);
  const shares = assignPartitions({ candidates, partitions: partitions(), pins: present });
  return candidates.map(({ memberId, edge }) => {
    const assignment = { [topic]: shares.get(edge) ?? [] };
    // A restarted edge may stand there twice until its old membership has ended.
    shares.delete(edge);
    const words = { version: CONSUMER_PROTOCOL, assignment, userData: Buffer.alloc(0) };
    return { memberId, memberAssignment: AssignerProtocol.MemberAssignment.encode(words) };
  });
}

/** Whoever says nothing that we understand is a member of weight 1 that owns nothing yet. */
function strangerOf(memberId: string): Candidate {
  return { edge: memberId, weight: 1, isDraining: false, owned: [], givenMs: 0 };
}

/** What a member has said when it joined; undefined where it is not in words of ours. */
export function memberWordsOf(memberMetadata: Buffer): MemberWords | undefined {
  try {
    const { userData } = AssignerProtocol.MemberMetadata.decode(memberMetadata) ?? {};
    const words = JSON.parse(String(userData)) as Partial<MemberWords> & { readonly v?: unknown };
    if (words.v !== VERSION) return undefined;
    const { edge, weight, isDraining = false, owned, givenMs } = words;
    if (typeof edge !== "string" || typeof isDraining !== "boolean") return undefined;
    if (typeof weight !== "number" || typeof givenMs !== "number") return undefined;
    if (!Array.isArray(owned) || !owned.every((one) => Number.isSafeInteger(one))) return undefined;
    // For people only; an early member did not say it.
    const address = typeof words.address === "string" ? words.address : "";
    return { edge, address, weight, isDraining, owned, givenMs };
  } catch {
    // Neither Kafka's words nor JSON.
    return undefined;
  }
}
