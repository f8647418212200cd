import type { AuditView, PartitionView } from "../src/api/views.ts";

/** Something that somebody who looks at the page should notice. */
export interface Happening {
  readonly atMs: number;
  readonly text: string;
  readonly kind: "move" | "call" | "state";
}

export const HAPPENINGS_MAX = 100;

/** What has changed from one look to the next: owners, pauses, standstills. */
export function changesBetween(
  before: readonly PartitionView[],
  after: readonly PartitionView[],
  atMs: number,
): Happening[] {
  const known = new Map(before.map((view) => [view.partition, view]));
  return after.flatMap((now) => {
    const was = known.get(now.partition);
    return was === undefined ? [] : changesOf(was, now, atMs);
  });
}

function changesOf(was: PartitionView, now: PartitionView, atMs: number): Happening[] {
  const name = `Partition ${now.partition}`;
  const changes: Happening[] = [];
  if (was.owner !== now.owner) {
    const to = now.owner ?? "nobody";
    changes.push({ atMs, kind: "move", text: `${name}: ${was.owner ?? "nobody"} → ${to}` });
  }
  if (was.isPaused !== now.isPaused) {
    changes.push({ atMs, kind: "state", text: `${name} ${now.isPaused ? "paused" : "resumed"}` });
  }
  const wasStalled = was.stalledOn.length > 0;
  const isStalled = now.stalledOn.length > 0;
  if (wasStalled !== isStalled) {
    const text = isStalled ? `stands still on ${now.stalledOn.join(", ")}` : "goes on";
    changes.push({ atMs, kind: "state", text: `${name} ${text}` });
  }
  return changes;
}

export function happeningOf(entry: AuditView): Happening {
  const { operator, action, parameters, status, outcome, atMs } = entry;
  const what = Object.entries(parameters).map(([name, value]) => `${name} ${String(value)}`);
  const end = status === null ? "begun" : (outcome ?? `status ${status}`);
  return { atMs, kind: "call", text: `${operator}: ${[action, ...what].join(" ")} – ${end}` };
}

/** The newest first, and no more than a page can show. */
export function withNews(
  happenings: readonly Happening[],
  news: readonly Happening[],
): readonly Happening[] {
  if (news.length === 0) return happenings;
  return [...news.toReversed(), ...happenings].slice(0, HAPPENINGS_MAX);
}
