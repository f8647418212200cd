import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { makeTopic } from "@millrace/testkit";
import { GroupMembers } from "../fleet/group-members.ts";
import { spanBetween } from "../stage/process-meter.ts";
import { foreignOf } from "./figures.ts";
import type { Bench, Scenario } from "./measured.ts";

export interface Group {
  readonly members: number;
  readonly partitions: number;
}

const ROUNDS = { full: 5, quick: 2 } as const;
const CALM_S = { full: 10, quick: 4 } as const;

/**
 * How long the group takes to settle when one member comes, leaves or is killed: until each partition
 * has exactly one owner and every member knows it. The members are those of edges, without edges,
 * many in a process.
 */
export function rebalance(name: string, group: Group): Scenario {
  return async (bench, variant) => {
    const { times, foreignCpu } = await timesOf(bench, group);
    const foreign = Math.round(foreignCpu * 100);
    const notes = [`other processes used ${foreign} % of a core while nobody came or went`];
    return { scenario: name, variant: variant.name, more: times, notes };
  };
}

async function timesOf(
  { stage, isQuick, windows }: Bench,
  { members, partitions }: Group,
): Promise<{ readonly times: Readonly<Record<string, number>>; readonly foreignCpu: number }> {
  const { brokers, cores, meter } = stage;
  const topic = `rebalance-${randomUUID()}`;
  await makeTopic(brokers, { topic, numPartitions: partitions });
  const group = new GroupMembers({ brokers, topic, partitions }, members, cores?.edge);
  try {
    await group.open();
    const assembled = await group.assemble();
    const joins: number[] = [];
    const leaves: number[] = [];
    for (let round = 0; round < (isQuick ? ROUNDS.quick : ROUNDS.full); round++) {
      joins.push(await group.join());
      leaves.push(await group.goAway("leave"));
    }
    joins.push(await group.join());
    meter.watch("members", group.pids);
    const calm = meter.read();
    await sleep((windows?.seconds ?? (isQuick ? CALM_S.quick : CALM_S.full)) * 1_000);
    const span = spanBetween(calm, meter.read());
    const killed = await group.goAway("kill");
    return {
      times: {
        "ms until all had joined at once": assembled,
        "ms of a join (median)": medianOf(joins),
        "ms of a join (slowest)": Math.max(...joins),
        "ms of a leave (median)": medianOf(leaves),
        "ms of a leave (slowest)": Math.max(...leaves),
        "ms after a kill": killed,
        "CPU % of a member": ((span.cpu.get("members") ?? 0) * 100) / members,
      },
      foreignCpu: foreignOf(span),
    };
  } finally {
    meter.forget("members");
    await group.end();
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}
