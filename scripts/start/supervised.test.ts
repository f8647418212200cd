import { FakeClock, waitFor } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { Supervised } from "./supervised.ts";

interface End {
  readonly code: number | null;
  readonly signal: string | null;
}

function part(pid: number) {
  const ending: { resolve?: (end: End) => void } = {};
  const exited = new Promise<End>((resolve) => {
    ending.resolve = resolve;
  });
  const end = (code: number) => ending.resolve?.({ code, signal: null });
  return { pid, exited, end, stop: async () => end(0) };
}

async function setUp(failures = 0) {
  const clock = new FakeClock();
  const parts: ReturnType<typeof part>[] = [];
  const launches: number[] = [];
  const lines: string[] = [];
  const back: number[] = [];
  const state = { failures: 0 };
  const supervised = await Supervised.start({
    name: "thing",
    clock,
    tell: (line) => lines.push(line),
    onBack: () => back.push(supervised.current.pid),
    launch: async () => {
      launches.push(clock.nowMs());
      if (state.failures-- > 0) throw new Error("port is taken");
      parts.push(part(parts.length + 1));
      return parts.at(-1) as ReturnType<typeof part>;
    },
  });
  state.failures = failures;
  return { clock, parts, launches, lines, back, supervised };
}

describe("Supervised", () => {
  it("starts again what ended, also with code 0", async () => {
    const { clock, parts, back, supervised } = await setUp();
    parts[0]?.end(0);
    await waitFor(() => clock.advance(50).then(() => back.length === 1), { what: "back" });
    expect(supervised.current.pid).toBe(2);
    expect(back).toEqual([2]);
  });

  it("waits longer from failure to failure, and tells each", async () => {
    const { clock, parts, launches, lines, back } = await setUp(3);
    parts[0]?.end(1);
    await waitFor(() => clock.advance(10).then(() => back.length === 1), { what: "back" });
    const gaps = launches.slice(2).map((at, index) => at - (launches[index + 1] ?? 0));
    expect(gaps).toEqual([...gaps].toSorted((a, b) => a - b));
    expect(gaps.at(-1)).toBeGreaterThanOrEqual(400);
    expect(lines.filter((line) => line.includes("port is taken"))).toHaveLength(3);
  });

  it("starts nothing again once it is stopped", async () => {
    const { clock, launches, supervised } = await setUp();
    await supervised.stop(1_000);
    await clock.advance(60_000);
    expect(launches).toHaveLength(1);
  });
});
