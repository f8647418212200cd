import { silentLogger } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import { expect, it } from "vitest";
import type { Cluster } from "../cluster/cluster-look.ts";
import type { TopicChecks } from "../cluster/topic-checks.ts";
import { LIMITS } from "../limits.ts";
import { createControlMetrics } from "../metrics.ts";
import { overviewFrom } from "../testing/edge-reports.ts";
import { Watch } from "./watch.ts";

/** What is logged of one address when each look at its certificate goes as listed. */
async function warningsOf(looks: readonly boolean[]): Promise<number[]> {
  const clock = new FakeClock();
  const warnedMs: number[] = [];
  let count = 0;
  const watch = new Watch({
    cluster: { fresh: async () => overviewFrom().cluster } as unknown as Cluster,
    topicChecks: { check: async () => [] } as unknown as TopicChecks,
    clientUrls: ["wss://chat.example.com/v1/connect"],
    metrics: createControlMetrics(),
    clock,
    logger: { ...silentLogger, warn: () => warnedMs.push(clock.nowMs()) },
    certificateEnd: async () => {
      const isSeen = looks[count++] ?? true;
      if (!isSeen) throw new Error("ECONNREFUSED");
      return clock.wallMs();
    },
  });
  const ran = watch.run();
  await clock.advance(2 * LIMITS.certificateMs);
  watch.close();
  await clock.settle();
  await ran;
  return warnedMs;
}

it("a certificate that is not seen once is looked for again soon, before it is told", async () => {
  const { certificateAgainMs: soon, certificateMs: later } = LIMITS;
  expect(await warningsOf([false, true])).toEqual([]);
  expect(await warningsOf([false, false, false])).toEqual([soon, soon + later]);
  // A new failure is once more the first one.
  expect(await warningsOf([false, true, false, true])).toEqual([]);
});
