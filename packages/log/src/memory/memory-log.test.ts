import { systemClock } from "@millrace/runtime";
import { logConformance } from "../conformance.ts";
import { createMemoryLog } from "./memory-log.ts";
import { MemoryTopic } from "./memory-topic.ts";

logConformance("the memory log", {
  lacks: ["foreign-partitioner"],
  setUp: async (wish) => {
    const topic = new MemoryTopic({ clock: systemClock, ...wish });
    const log = createMemoryLog({ clock: systemClock, topic });
    await log.open();
    return {
      log,
      clock: systemClock,
      appendForeign: async (partition, records) => topic.appendForeign(partition, records),
      appendHole: async (partition) => topic.appendHoles(partition, 2),
      deleteBefore: async (partition, offset) => topic.deleteBefore(partition, offset),
      recreate: async () => void topic.recreate(),
      truncate: async (partition, endOffset) => topic.truncate(partition, endOffset),
      tearDown: () => log.close({ settleMs: 0 }),
    };
  },
});
