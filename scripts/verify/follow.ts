import { setTimeout as sleep } from "node:timers/promises";
import type { Verdict } from "@millrace/testkit/judge";
import type { Proceeding } from "./proceeding.ts";

const POLL_MS = 100;

/** Who gets nothing that it is owed for so long will not get it. */
const GRACE_MS = 10_000;

export interface FollowOptions {
  readonly intervalMs: number;
  readonly stop: AbortSignal;
  readonly tell: (line: string) => void;
  readonly graceMs?: number;
}

/**
 * Keeps up with topic and logs while they are written, and says each interval how things stand.
 * When it is stopped, what was acknowledged until then is waited for, so that a message on its way
 * is not taken for a lost one.
 */
export async function follow(proceeding: Proceeding, options: FollowOptions): Promise<void> {
  const { intervalMs, stop, tell } = options;
  let tellMs = performance.now() + intervalMs;
  let before = proceeding.verdict;
  while (!stop.aborted) {
    if (!(await proceeding.round())) await sleep(POLL_MS);
    if (performance.now() < tellMs) continue;
    tellMs += intervalMs;
    tell(lineOf(proceeding.verdict, before, proceeding.owed));
    before = proceeding.verdict;
  }
  proceeding.freeze();
  await whenSettled(proceeding, options.graceMs ?? GRACE_MS);
}

/** Until nobody is owed anything, or what is owed becomes no less. */
async function whenSettled(proceeding: Proceeding, graceMs: number): Promise<void> {
  let least = Infinity;
  let sinceMs = performance.now();
  for (;;) {
    while (await proceeding.round());
    const { owed } = proceeding;
    if (owed === 0) return;
    if (owed < least) [least, sinceMs] = [owed, performance.now()];
    else if (performance.now() - sinceMs > graceMs) return;
    await sleep(POLL_MS);
  }
}

function lineOf(now: Verdict, before: Verdict, owed: number): string {
  const offences = Object.entries(now.counts).filter(([, count]) => count > 0);
  const found = offences.map(([kind, count]) => `${kind} ${count}`).join(" ");
  const counted = (name: "messages" | "told" | "acknowledged"): string =>
    `${name} ${now[name]} (+${now[name] - before[name]})`;
  const time = new Date().toISOString().slice(11, 19);
  const counts = [counted("messages"), counted("told"), counted("acknowledged")].join("  ");
  const repeats = now.repeatedKeys > 0 ? `  repeated keys ${now.repeatedKeys}` : "";
  return `${time}  ${counts}  owed ${owed}${repeats}  ${found === "" ? "no offence" : `OFFENCES ${found}`}`;
}
