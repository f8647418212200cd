import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { SHELLS } from "./completion.ts";
import { runMillrace } from "./testing/cli-run.ts";

const run = promisify(execFile);

let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-completion-"));
  for (const shell of SHELLS) {
    const { out } = await runMillrace(["completion", shell]);
    writeFileSync(join(folder, shell), out);
  }
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function has(shell: string): boolean {
  try {
    execFileSync(shell, ["-c", "true"]);
    return true;
  } catch {
    // It is not installed here.
    return false;
  }
}

/** What bash would offer where these words were typed, the last one not to its end. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const script = `source "$0"
COMP_WORDS=("$@"); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
_millrace; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const typed = ["millrace", ...words];
  const { stdout } = await run("bash", ["-c", script, join(folder, "bash"), ...typed]);
  return stdout.split("\n").filter((line) => line !== "");
}

it("bash completes commands, what stands below them, and their options", async () => {
  expect(await offered("dr")).toEqual(["drain"]);
  expect(await offered("plan", "un")).toEqual(["unpin", "undrain"]);
  expect(await offered("--json", "explain", "c")).toEqual(["client", "conversation"]);
  expect(await offered("drain", "edge-2", "--e")).toEqual(["--end"]);
  expect(await offered("drain", "edge-2", "--no-w")).toEqual(["--no-wait"]);
  expect(await offered("completion", "z")).toEqual(["zsh"]);
  expect(await offered("status", "--w")).toEqual(["--watch"]);
  expect(await offered("topics", "")).toContain("check");
});

it("bash is told to complete millrace with it", async () => {
  const { stdout } = await run("bash", ["-c", 'source "$0"; complete -p', join(folder, "bash")]);
  expect(stdout).toContain("complete -F _millrace millrace");
});

it.each(["zsh", "fish"])("%s can read its script", async (shell) => {
  const { out } = await runMillrace(["completion", shell]);
  expect(out).toContain("'plan drain'");
  expect(out).toContain("take an edge out");
  if (has(shell)) await run(shell, ["-n", join(folder, shell)]);
});
