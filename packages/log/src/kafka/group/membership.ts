import kafkajs, { type Assigner, type PartitionAssigner } from "kafkajs";
import type { OwnershipMember } from "../../ownership.ts";
import { type Candidate, assignPartitions } from "./assignment.ts";

const { AssignerProtocol } = kafkajs;

/** The metadata travels as JSON; what an older or newer edge does not know it ignores. */
const VERSION = 1;
const NAME = "millrace";

/** What a member says when it joins. */
export interface MemberWords extends OwnershipMember {
  readonly owned: readonly number[];
  readonly givenMs: number;
}

export interface AssignerOptions {
  readonly topic: string;
  /** Of the topic's incarnation: those that were added behind our back are nobody's. */
  readonly partitions: () => number;
  /** Partitions that operators have tied to an edge. */
  readonly pins: () => ReadonlyMap<number, string>;
  readonly self: () => MemberWords;
}

/** The group's assigner, in the words of Kafka's consumer protocol (KIP-54, KIP-341). */
export function millraceAssigner(options: AssignerOptions): PartitionAssigner {
  const { topic, partitions, pins, self } = options;
  return (): Assigner => ({
    name: NAME,
    version: VERSION,
    protocol: ({ topics }) => {
      const userData = Buffer.from(JSON.stringify({ v: VERSION, ...self() }));
      const words = { version: VERSION, topics, userData };
      return { name: NAME, metadata: AssignerProtocol.MemberMetadata.encode(words) };
    },
    assign: async ({ members }) => {
      const candidates = members
        .map(({ memberId, memberMetadata }) => ({
          memberId,
          ...candidateOf(memberId, memberMetadata),
        }))
        .toSorted((one, other) => other.givenMs - one.givenMs);
      const shares = assignPartitions({ candidates, partitions: partitions(), pins: pins() });
      return candidates.map(({ memberId, edge }) => {
        const assignment = { [topic]: shares.get(edge) ?? [] };
        // A restarted edge may stand there twice until its old membership has ended.
        shares.delete(edge);
        const words = { version: VERSION, assignment, userData: Buffer.alloc(0) };
        return { memberId, memberAssignment: AssignerProtocol.MemberAssignment.encode(words) };
      });
    },
  });
}

/** Whoever says nothing that we understand is a member of weight 1 that owns nothing yet. */
function candidateOf(memberId: string, memberMetadata: Buffer): Candidate {
  const unknown = { edge: memberId, weight: 1, isDraining: false, owned: [], givenMs: 0 };
  try {
    const decoded = AssignerProtocol.MemberMetadata.decode(memberMetadata);
    return { ...unknown, ...(JSON.parse(String(decoded?.userData)) as Partial<Candidate>) };
  } catch {
    return unknown;
  }
}
