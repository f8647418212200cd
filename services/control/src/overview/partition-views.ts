import type { HotConversation, PartitionReport } from "@millrace/schemas";
import type { PartitionView } from "../api/views.ts";
import { LIMITS } from "../limits.ts";
import { ownersIn, partitionCount } from "./owners.ts";
import type { Overview } from "./overview.ts";

interface Reported {
  readonly edge: string;
  readonly report: PartitionReport;
}

const HOTTEST = 5;

export function partitionViews(overview: Overview): PartitionView[] {
  const owners = ownersIn(overview);
  const reports = reportsOf(overview);
  return Array.from({ length: partitionCount(overview) }, (_, partition) => {
    const owner = owners.get(partition) ?? null;
    return viewOf(overview, { partition, owner, reported: reports.get(partition) ?? [] });
  });
}

function isStalled({ stalledMs }: PartitionReport): boolean {
  return stalledMs >= LIMITS.stalledMs;
}

function viewOf(
  { cluster, edges: { orders } }: Overview,
  found: {
    readonly partition: number;
    readonly owner: string | null;
    readonly reported: readonly Reported[];
  },
): PartitionView {
  const { partition, owner, reported } = found;
  const placement = cluster.partitions.find((one) => one.partition === partition);
  const isThis = (one: { readonly partition: number }): boolean => one.partition === partition;
  const reports = reported.map(({ report }) => report);
  const isPaused = reports.some((report) => report.isPaused) || !!orders?.pauses.some(isThis);
  return {
    partition,
    owner,
    pin: orders?.pins.find(isThis)?.edge ?? null,
    isPaused,
    lag: largest(reports.map(({ lag }) => lag)),
    lagMs: largest(reports.map(({ lagMs }) => lagMs)),
    end: lastEnd(reports),
    recordsPerSec: largest(reports.map(({ recordsPerSec }) => recordsPerSec)) ?? 0,
    subscribers: reports.reduce((sum, { subscribers }) => sum + subscribers, 0),
    stalledOn: reported.filter(({ report }) => isStalled(report)).map(({ edge }) => edge),
    hottest: hottestOf(reports),
    leader: placement !== undefined && placement.leader >= 0 ? placement.leader : null,
    replicas: placement?.replicas ?? [],
    inSync: placement?.inSync ?? [],
  };
}

function reportsOf({ edges }: Overview): Map<number, Reported[]> {
  const reports = new Map<number, Reported[]>();
  for (const { report: edge } of edges.edges) {
    for (const report of edge.partitions) {
      const those = reports.get(report.partition) ?? [];
      those.push({ edge: edge.id, report });
      reports.set(report.partition, those);
    }
  }
  return reports;
}

function largest(values: readonly (number | null | undefined)[]): number | null {
  const known = values.filter((value) => typeof value === "number");
  return known.length === 0 ? null : Math.max(...known);
}

/** Edges hear of it at different times: the furthest is the newest. */
function lastEnd(reports: readonly PartitionReport[]): string | null {
  let last: bigint | null = null;
  for (const { end } of reports) {
    if (typeof end !== "string" || !/^\d+$/.test(end)) continue;
    const offset = BigInt(end);
    if (last === null || offset > last) last = offset;
  }
  return last === null ? null : String(last);
}

/** Every edge hands on the same records, each to its own subscribers. */
function hottestOf(reports: readonly PartitionReport[]): HotConversation[] {
  const found = new Map<string, HotConversation>();
  for (const { hottest } of reports) {
    for (const { conversation, recordsPerSec, subscribers } of hottest) {
      const other = found.get(conversation);
      found.set(conversation, {
        conversation,
        recordsPerSec: Math.max(recordsPerSec, other?.recordsPerSec ?? 0),
        subscribers: subscribers + (other?.subscribers ?? 0),
      });
    }
  }
  const all = [...found.values()];
  return all.toSorted((one, other) => other.recordsPerSec - one.recordsPerSec).slice(0, HOTTEST);
}
