import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

/** What V8 writes (the Chrome DevTools protocol's `Profiler.Profile`), as far as it is used here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  /** µs before each sample. */
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly name: string;
  /** Of all the time that was not idle. */
  readonly share: number;
}

const IDLE = "(idle)";

export function readProfile(file: string): CpuProfile {
  return JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
}

/** The functions that took the most time themselves, without what they called. */
export function topSelfTimes(profile: CpuProfile, count: number): SelfTime[] {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  for (const [index, id] of profile.samples.entries()) {
    const name = names.get(id) ?? "?";
    // A sample's own time runs until the next one is taken.
    const deltaUs = profile.timeDeltas[index + 1] ?? 0;
    if (name !== IDLE) times.set(name, (times.get(name) ?? 0) + deltaUs);
  }
  const busyUs = [...times.values()].reduce((sum, us) => sum + us, 0);
  return [...times]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, us]) => ({ name, share: us / busyUs }));
}

function nameOf({ functionName, url }: { functionName: string; url: string }): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name}  ${placeOf(url)}`;
}

function placeOf(url: string): string {
  if (!url.startsWith("file:")) return url;
  const [path = url] = url.split("?");
  return relative(process.cwd(), fileURLToPath(path));
}
