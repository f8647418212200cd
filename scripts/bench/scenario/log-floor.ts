import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { LogFloorPlan, LogFloorResult } from "../floor/log-process.ts";
import { pin } from "../stage/cores.ts";
import { CHAT } from "./chat.ts";
import type { Scenario } from "./measured.ts";

const PROCESS = fileURLToPath(new URL("../floor/log-process.ts", import.meta.url));

/** Produce and fetch alone, on the edge's core and at the rate of `chat`. */
export const logFloor: Scenario = async ({ stage, seed, isQuick }, variant) => {
  const plan: LogFloorPlan = {
    brokers: stage.brokers,
    topic: `floor-${randomUUID()}`,
    conversations: CHAT.conversations,
    perS: CHAT.perS,
    warmUpS: isQuick ? 1 : 3,
    seconds: isQuick ? 3 : 10,
    seed,
  };
  const child = fork(PROCESS, [JSON.stringify(plan)], { execArgv: ["--import", "tsx"] });
  await pin(child.pid ?? -1, stage.cores?.edge);
  const result = await new Promise<LogFloorResult>((resolve, reject) => {
    child.once("message", (message: LogFloorResult) => resolve(message));
    child.once("exit", (code) => reject(new Error(`the floor of the log ended with ${code}`)));
  }).finally(() => child.kill("SIGKILL"));
  return {
    scenario: "floor-log",
    variant: variant.name,
    more: {
      "round trip p50 ms": result.p50Ms,
      "round trip p99 ms": result.p99Ms,
      "produce p50 ms": result.ackP50Ms,
      "produce p99 ms": result.ackP99Ms,
      "CPU µs per record": result.cpuUsPerRecord,
      "records/s saturated": result.saturatedPerS,
      "CPU µs per record saturated": result.saturatedUsPerRecord,
      "CPU % saturated": result.saturatedCpu * 100,
    },
    notes: [],
  };
};
