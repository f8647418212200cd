import { expect, test } from "vitest";
import { formatFindings, formatReport, runChecks } from "./run-checks.ts";

const options = { atOnce: 2, onReport: () => undefined };

function skipping(skip: (what: string) => void): Promise<string[]> {
  skip("overlays (no kubectl)");
  return Promise.resolve([]);
}

test("every check has its say, also when another one throws", async () => {
  const reports = await runChecks(
    [
      { name: "a", find: () => Promise.reject(new Error("broken")) },
      { name: "b", find: () => Promise.resolve(["b.ts:1: wrong"]) },
      { name: "c", find: () => Promise.resolve([]) },
    ],
    options,
  );
  const findings = Object.fromEntries(reports.map((report) => [report.name, report.findings]));
  expect(findings).toEqual({ a: ["Error: broken"], b: ["b.ts:1: wrong"], c: [] });
  expect(formatFindings(reports)).toContain("── b\nb.ts:1: wrong");
  expect(formatFindings(reports)).not.toContain("── c");
});

test("a check says what it could not look at, in its line", async () => {
  const [report] = await runChecks([{ name: "d", find: skipping }], options);
  expect(report && formatReport(report)).toMatch(
    /^ok +d .* s {2}skipped: overlays \(no kubectl\)$/,
  );
});
