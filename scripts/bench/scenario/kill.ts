import { setTimeout as sleep } from "node:timers/promises";
import { readTopic } from "@millrace/testkit/judge";
import { CHAT } from "./chat.ts";
import { type Scenario, opened } from "./measured.ts";

const BEFORE_S = { full: 10, quick: 2 } as const;

/** kill -9 in the middle of `chat`: what was acknowledged stands in the topic, once. */
export const kill: Scenario = async (bench, variant) => {
  const { stage, isQuick, scale } = bench;
  const count = Math.ceil(CHAT.clients * scale);
  const conversations = Math.max(1, Math.floor(CHAT.conversations * scale));
  const served = await stage.edge(variant.env);
  const fleet = await stage.fleet();
  try {
    await opened(fleet, bench, { port: served.port, count, conversations, keepsKeys: true });
    await fleet.publish(CHAT.perS * scale);
    await sleep((isQuick ? BEFORE_S.quick : BEFORE_S.full) * 1_000);
    await served.kill();
    await fleet.quiet();
    const acknowledged = await fleet.acknowledgedKeys();
    const { brokers } = stage;
    const stored = await readTopic({ brokers, topic: served.topic, epoch: "any" });
    const times = new Map<string, number>();
    for (const { key } of stored) times.set(key, (times.get(key) ?? 0) + 1);
    return {
      scenario: "kill",
      variant: variant.name,
      more: {
        acknowledged: acknowledged.length,
        "in the topic": stored.length,
        "acknowledged and lost": acknowledged.filter((key) => !times.has(key)).length,
        "acknowledged and twice": acknowledged.filter((key) => (times.get(key) ?? 0) > 1).length,
      },
      notes: [],
    };
  } finally {
    await fleet.end();
    await served.kill();
  }
};
