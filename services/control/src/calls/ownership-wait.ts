import { delay } from "@millrace/runtime";
import { LIMITS } from "../limits.ts";
import { order } from "./edge-orders.ts";
import type { CallContext } from "./operator-call.ts";

/**
 * Until the group says that the edge owns the partition; false when it has not within `moveMs`. The
 * group distributes anew by itself when it hears of a pin. When nothing comes of that it is asked to:
 * who has to may have missed the order.
 */
export async function isOwnedInTime(
  context: CallContext,
  partition: number,
  edge: string,
): Promise<boolean> {
  const { clock } = context.services;
  const sinceMs = clock.nowMs();
  let isNudged = false;
  for (;;) {
    if ((await ownerOf(context, partition)) === edge) return true;
    const waitedMs = clock.nowMs() - sinceMs;
    if (waitedMs > LIMITS.moveMs) return false;
    if (!isNudged && waitedMs > LIMITS.nudgeMs) {
      isNudged = true;
      await nudge(context);
    }
    await delay(clock, LIMITS.movePollMs);
  }
}

async function ownerOf({ services }: CallContext, partition: number): Promise<string | undefined> {
  const { group } = await services.cluster.fresh();
  const owner = group.members.find(({ partitions }) => partitions.includes(partition));
  return group.state === "Stable" ? owner?.words?.edge : undefined;
}

async function nudge(context: CallContext): Promise<void> {
  try {
    await order(context, { method: "POST", path: "/v1/rejoin" });
  } catch (cause) {
    // The wait goes on: the group may move by itself.
    context.services.logger.warn({ err: cause }, "no edge has taken the wish to distribute anew");
  }
}
