import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pythonEnvironment } from "./python-environment.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-python-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An interpreter that notes how it is called; `venv` says what its `-m venv` does. */
function fakePython(options: { readonly version: string; readonly venv: string }): string {
  const file = join(folder, "python");
  const lines = [
    "#!/bin/sh",
    `echo "$*" >> ${folder}/calls`,
    `case "$*" in`,
    `-c*) echo ${options.version} ;;`,
    `"-m venv"*) ${options.venv} ;;`,
    `*--target*) for last in "$@"; do :; done; mkdir -p "$last" ;;`,
    "esac",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  chmodSync(file, 0o755);
  return file;
}

function prepare(python: string, told: string[] = []) {
  const requirements = join(folder, "requirements.txt");
  writeFileSync(requirements, "fastavro==1.13.1\n");
  const cacheFolder = join(folder, "cache");
  return pythonEnvironment({
    requirements,
    cacheFolder,
    python,
    tell: (line) => void told.push(line),
  });
}

function calls(): string[] {
  return readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
}

describe("a Python with packages", () => {
  it("is a virtual environment, made once", async () => {
    const copy = `mkdir -p "$3/bin" && cp "$0" "$3/bin/python"`;
    const python = fakePython({ version: "3 11", venv: copy });
    const first = await prepare(python);
    expect(first.python).toMatch(/python-[\da-f]{12}\/venv\/bin\/python$/);
    expect(first.env["PYTHONPATH"]).toBeUndefined();
    const before = calls().length;
    expect(await prepare(python)).toEqual(first);
    expect(calls().slice(before)).toEqual([expect.stringMatching(/^-c /)]);
  });

  it("is a plain folder where Python can't make one", async () => {
    const half = `mkdir -p "$3/bin"; touch "$3/bin/python"; exit 1`;
    const python = fakePython({ version: "3 11", venv: half });
    const told: string[] = [];
    const { python: chosen, env } = await prepare(python, told);
    expect(chosen).toBe(python);
    expect(env["PYTHONPATH"]).toMatch(/python-[\da-f]{12}\/site$/);
    expect(told.join("\n")).toContain("a plain folder is used");
  });

  it("says what is missing, and leaves nothing half done", async () => {
    await expect(prepare(join(folder, "no-python"))).rejects.toThrow("python3 ≥ 3.10");
    await expect(prepare(fakePython({ version: "3 9", venv: "exit 1" }))).rejects.toThrow(
      "No Python that is new enough",
    );
    const python = fakePython({ version: "3 12", venv: "exit 1" });
    const text = readFileSync(python, "utf8").replace(
      "*--target*)",
      "*--target*) echo no index >&2; exit 1 ;;\n*--never*)",
    );
    writeFileSync(python, text);
    await expect(prepare(python)).rejects.toThrow("pip could not install the packages (no index)");
    expect(readdirSync(join(folder, "cache"))).toEqual([]);
  });
});
