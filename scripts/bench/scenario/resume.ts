import { setTimeout as sleep } from "node:timers/promises";
import { RESUME_TIME } from "../report/aims.ts";
import { CHAT } from "./chat.ts";
import { type Scenario, opened, settled } from "./measured.ts";

/** Publishers of their own, several in each conversation, so that none passes its user's rate. */
const PUBLISHERS_PER_CONVERSATION = 4;
const MISSED_PER_S = 8_000;
const TRAFFIC_PER_S = 500;
const TRAFFIC_S = 2;

/**
 * Everybody loses the line, misses so many messages in their conversation, and comes back at once
 * while traffic goes on. The time is from the last handshake until the last one is live again;
 * nothing is lost when everybody has had every message, each continuing the one before it.
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
    const { port } = served;
    const plan = { port, conversations };
    try {
      await opened(receivers, bench, { ...plan, count: clients, checksPrev: true });
      const senderPlan = { ...plan, count: publishers, first: clients, subscribes: false };
      await opened(senders, bench, senderPlan);
      await senders.publishCount(TRAFFIC_PER_S, conversations);
      await settled(receivers);
      await settled(senders);
      await receivers.cut();
      await senders.publishCount(MISSED_PER_S, missed);
      const { acknowledged } = await settled(senders);
      await senders.publish(TRAFFIC_PER_S);
      const again = await receivers.reopen();
      await sleep(TRAFFIC_S * 1_000);
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
          [RESUME_TIME]: (again.lastLiveUs - again.lastHandshakeUs) / 1_000,
          "messages resumed": missed * (clients / conversations),
          lost,
          "broken prevs": got.brokenPrevs,
        },
        notes: problems === undefined ? [] : [problems],
      };
    } finally {
      await Promise.all([senders.end(), receivers.end()]);
      await served.kill();
    }
  };
}
