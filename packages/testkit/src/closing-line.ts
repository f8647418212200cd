import type { Reporter, TestModule } from "vitest/node";

/**
 * Says as the very last line how many tests passed and failed: `N passed, N failed`. Before it stand
 * those that passed only when they were tried again: each is a finding.
 */
export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandled.length;
    let skipped = 0;
    let flaky = "";
    for (const module of modules) {
      // A file that could not be run at all, or a hook that failed, is a failure of its own.
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        if (test.diagnostic()?.flaky === true) {
          flaky += `flaky: ${module.relativeModuleId} > ${test.fullName}: ${errors?.[0]?.message}\n`;
        }
        if (state === "passed") passed++;
        else if (state === "skipped") skipped++;
        else failed++;
      }
    }
    const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`;
    process.once("exit", () => process.stdout.write(flaky + line));
  }
}
