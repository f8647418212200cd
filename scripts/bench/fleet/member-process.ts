import { type Ownership, createOwnershipGroup } from "@millrace/log";
import { must, silentLogger, systemClock } from "@millrace/runtime";
import { ownershipGroupOf } from "@millrace/schemas";
import { answerParent } from "../load/load-worker.ts";
import type { MemberCommand, MemberPlan, MemberWish, Owned } from "./member-protocol.ts";

/** Many members of the group that edges have, and nothing of an edge but that. */
const members = new Map<string, Ownership>();
let plan: MemberPlan | undefined;

function join({ edge, weight }: MemberWish): void {
  const { brokers, topic, partitions } = must(plan, "a plan");
  const self = { edge, address: "", weight, isDraining: false };
  const member = createOwnershipGroup({
    brokers,
    topic,
    groupId: ownershipGroupOf(topic),
    partitions: () => partitions,
    self: () => self,
    clock: systemClock,
    logger: silentLogger,
  });
  members.set(edge, member);
  member.join();
}

async function leave(edge: string): Promise<void> {
  const member = must(members.get(edge), `the member ${edge}`);
  members.delete(edge);
  await member.leave();
}

answerParent((command: MemberCommand): unknown => {
  switch (command.name) {
    case "open":
      plan = command.plan;
      return undefined;
    case "join":
      return command.members.forEach(join);
    case "leave":
      return leave(command.edge);
    case "owned":
      return [...members].map(([edge, { owned }]) => [edge, [...owned]]) satisfies Owned;
  }
});
