import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { staticChecks } from "./check/checks.ts";
import { formatFindings, formatReport, runChecks } from "./check/run-checks.ts";
import { type Tally, formatTally, parseTally, sumOf } from "./check/tally.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/**
 * `npm test`: the checks, then every test, then one closing line `N passed, N failed` that counts
 * each check as a test. With arguments only the tests run, and Vitest gets the arguments.
 */
async function main(args: readonly string[]): Promise<void> {
  const checks = args.length === 0 ? await check() : { passed: 0, failed: 0, skipped: 0 };
  const tests = await test(args);
  const total = sumOf(checks, tests);
  console.log(formatTally(total));
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

async function check(): Promise<Tally> {
  const reports = await runChecks(staticChecks(ROOT), {
    atOnce: availableParallelism(),
    onReport: (report) => console.log(formatReport(report)),
  });
  const failed = reports.filter(({ findings }) => findings.length > 0).length;
  if (failed > 0) console.log(`\n${formatFindings(reports)}`);
  return { passed: reports.length - failed, failed, skipped: 0 };
}

/** Vitest's own closing line is taken back: the sum with the checks is said instead. */
async function test(args: readonly string[]): Promise<Tally> {
  const child = spawn(`${ROOT}/node_modules/.bin/vitest`, ["run", ...args], {
    cwd: ROOT,
    stdio: ["inherit", "pipe", "inherit"],
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const exited = new Promise<number>((resolve) => {
    child.on("error", () => resolve(1));
    child.on("close", (code) => resolve(code ?? 1));
  });
  let tally: Tally | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const found = parseTally(line);
    if (found === undefined) console.log(line);
    else tally = found;
  }
  const code = await exited;
  // Tests that ended without a count, or failed outside of any test, must not pass for a success.
  const { passed = 0, failed = 0, skipped = 0 } = tally ?? {};
  return { passed, failed: code !== 0 && failed === 0 ? 1 : failed, skipped };
}

await main(process.argv.slice(2));
