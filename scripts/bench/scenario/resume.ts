import { setTimeout as sleep } from "node:timers/promises";
import { Histogram } from "../load/histogram.ts";
import type { LoadFleet } from "../load/load-fleet.ts";
import type { Opened } from "../load/load-protocol.ts";
import { nowUs } from "../load/monotonic.ts";
import { RESUME_TIME } from "../report/aims.ts";
import { CHAT } from "./chat.ts";
import { type Scenario, opened, settled } from "./measured.ts";

/** Publishers of their own, several in each conversation, so that none passes its user's rate. */
const PUBLISHERS_PER_CONVERSATION = 4;
const MISSED_PER_S = 8_000;
const TRAFFIC_PER_S = 500;
const TRAFFIC_S = 2;
/** Of the traffic alone, before anybody loses the line. */
const CONTROL_S = 3;
/** All of them try within that time. */
const WITHIN_MS = 1_000;

/**
 * Everybody loses the line, misses so many messages in their conversation, and comes back within a
 * second while traffic goes on. The time is from the last handshake until the last one is live again;
 * nothing is lost when everybody has had every message, each continuing the one before it. What the
 * others notice is measured by some who stay, one in each conversation, beside the same traffic before.
 */
export function resume(name: string, missedEach: number): Scenario {
  return async (bench, variant) => {
    const { stage, scale } = bench;
    const clients = Math.ceil(CHAT.clients * scale);
    const conversations = Math.max(1, Math.floor(CHAT.conversations * scale));
    const publishers = conversations * PUBLISHERS_PER_CONVERSATION;
    const missed = missedEach * conversations;
    const served = await stage.edge(variant.env);
    const senders = await stage.fleet(1);
    const receivers = await stage.fleet();
    const bystanders = await stage.fleet(1);
    const { port } = served;
    const plan = { port, conversations };
    try {
      await opened(receivers, bench, { ...plan, count: clients, checksPrev: true });
      const senderPlan = { ...plan, count: publishers, first: clients, subscribes: false };
      await opened(senders, bench, senderPlan);
      const first = clients + publishers;
      await opened(bystanders, bench, { ...plan, count: conversations, first, checksPrev: true });
      await senders.publishCount(TRAFFIC_PER_S, conversations);
      await settled(receivers);
      await settled(senders);
      await senders.publish(TRAFFIC_PER_S);
      const control = await latencyOf(bystanders, () => sleep(CONTROL_S * 1_000));
      await settled(senders);
      await settled(receivers);
      await receivers.cut();
      await senders.publishCount(MISSED_PER_S, missed);
      const { acknowledged } = await settled(senders);
      await settled(bystanders);
      await senders.publish(TRAFFIC_PER_S);
      const startUs = nowUs();
      let again: Opened | undefined;
      const storm = await latencyOf(bystanders, async () => {
        again = await receivers.reopen(WITHIN_MS);
        await sleep(TRAFFIC_S * 1_000);
      });
      if (again === undefined) throw new Error("nobody has come back");
      const after = await settled(senders);
      const got = await settled(receivers);
      const wanted = ((acknowledged + after.acknowledged) * clients) / conversations;
      const lost = wanted - got.received;
      const problems = again.firstProblem ?? (got.errors > 0 ? `${got.errors} errors` : undefined);
      return {
        scenario: name,
        variant: variant.name,
        more: {
          "missed in each conversation": missedEach,
          clients,
          "handshakes/s": (clients * 1e6) / (again.lastHandshakeUs - startUs),
          [RESUME_TIME]: (again.lastLiveUs - again.lastHandshakeUs) / 1_000,
          "live p50 ms before": control.quantile(0.5) / 1_000,
          "live p99 ms before": control.quantile(0.99) / 1_000,
          "live p50 ms meanwhile": storm.quantile(0.5) / 1_000,
          "live p99 ms meanwhile": storm.quantile(0.99) / 1_000,
          "messages resumed": missed * (clients / conversations),
          lost,
          "broken prevs": got.brokenPrevs,
        },
        notes: problems === undefined ? [] : [problems],
      };
    } finally {
      await Promise.all([senders.end(), receivers.end(), bystanders.end()]);
      await served.kill();
    }
  };
}

/** Of what comes to them while that goes on. */
async function latencyOf(fleet: LoadFleet, act: () => Promise<unknown>): Promise<Histogram> {
  await fleet.windows();
  await act();
  const histogram = new Histogram();
  for (const { latency } of await fleet.windows()) histogram.merge(latency);
  return histogram;
}
