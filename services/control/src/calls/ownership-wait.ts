import { delay } from "@millrace/runtime";
import { LIMITS } from "../limits.ts";
import { type Owners, ownersOf } from "../overview/owners.ts";
import { order } from "./edge-orders.ts";
import type { CallContext } from "./operator-call.ts";

/**
 * Until the group says that the edge owns the partition, and then who owns what; undefined when it has
 * not within `moveMs`. The group distributes anew by itself when it hears of a pin. When nothing comes of
 * that it is asked to: who has to may have missed the order.
 */
export async function ownersInTime(
  context: CallContext,
  partition: number,
  edge: string,
): Promise<Owners | undefined> {
  const { clock } = context.services;
  const sinceMs = clock.nowMs();
  let isNudged = false;
  for (;;) {
    const owners = await ownersNow(context);
    if (owners?.get(partition) === edge) return owners;
    const waitedMs = clock.nowMs() - sinceMs;
    if (waitedMs > LIMITS.moveMs) return undefined;
    if (!isNudged && waitedMs > LIMITS.nudgeMs) {
      isNudged = true;
      await nudge(context);
    }
    await delay(clock, LIMITS.movePollMs);
  }
}

async function ownersNow({ services }: CallContext): Promise<Owners | undefined> {
  const { group } = await services.cluster.fresh();
  return group.state === "Stable" ? ownersOf(group) : undefined;
}

async function nudge(context: CallContext): Promise<void> {
  try {
    await order(context, { method: "POST", path: "/v1/rejoin" });
  } catch (cause) {
    // The wait goes on: the group may move by itself.
    context.services.logger.warn({ err: cause }, "no edge has taken the wish to distribute anew");
  }
}
