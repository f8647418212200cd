import { seededRandom } from "@millrace/runtime";
import { describe, expect, it } from "vitest";
import { FAULT_KINDS, faultPlan } from "./fault-plan.ts";
import { readSoakOptions } from "./soak-options.ts";
import { trendOf } from "./trend.ts";

const MINUTES = 10;

/** A sample each second, of a process that grows so much a minute once it is warm. */
function samples(growth: { readonly mb: number; readonly descriptors: number }) {
  return Array.from({ length: MINUTES * 60 }, (_, second) => {
    const warmUpMb = 50 * Math.min(1, second / 60);
    const minutes = second / 60;
    return {
      atMs: second * 1_000,
      // A garbage collector's teeth.
      residentMb: 100 + warmUpMb + (second % 20) / 2 + growth.mb * minutes,
      descriptors: 40 + Math.round(growth.descriptors * minutes),
    };
  });
}

describe("the trend of a process", () => {
  it("is flat for one that warms up and stays, and not for one that grows", () => {
    const flat = trendOf("edge-1", 1, samples({ mb: 0, descriptors: 0 }));
    expect(flat).toMatchObject({ isFlat: true, descriptors: 40, descriptorsPerMinute: 0 });
    expect(Math.abs(flat.residentMbPerMinute)).toBeLessThan(0.5);
    const leaking = trendOf("edge-1", 1, samples({ mb: 6, descriptors: 0 }));
    expect(leaking).toMatchObject({ isFlat: false });
    expect(leaking.residentMbPerMinute).toBeCloseTo(6, 0);
    expect(trendOf("edge-1", 1, samples({ mb: 0, descriptors: 5 })).isFlat).toBe(false);
  });

  it("says nothing of one that has just begun", () => {
    const young = samples({ mb: 20, descriptors: 20 }).slice(0, 60);
    expect(trendOf("edge-2", 1, young).isFlat).toBeUndefined();
  });
});

function plan(seed: number) {
  const options = { kinds: FAULT_KINDS, edges: 3, everyMs: 10_000 };
  const faults = faultPlan({ random: seededRandom(seed), ...options });
  return Array.from({ length: 200 }, () => faults.next().value);
}

describe("the plan of faults", () => {
  it("is the same for the same seed, and has every kind", () => {
    expect(plan(5)).toEqual(plan(5));
    expect(plan(5)).not.toEqual(plan(6));
    expect(new Set(plan(5).map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
  });

  it("never ends the first edge, whose memory is to have a trend", () => {
    const ended = plan(5).filter(({ kind }) => kind === "edge-kill" || kind === "edge-restart");
    expect(new Set(ended.map(({ edge }) => edge))).toEqual(new Set([1, 2]));
  });
});

describe("the soak's options", () => {
  it("are refused where they make no sense", () => {
    expect(readSoakOptions(["--help"])).toBeUndefined();
    expect(readSoakOptions(["--minutes", "0.5"])).toMatchObject({ minutes: 0.5, edges: 3 });
    expect(() => readSoakOptions(["--minutes", "none"])).toThrow("--minutes");
    expect(() => readSoakOptions(["--faults", "edge-kill,flood"])).toThrow("flood");
  });
});
