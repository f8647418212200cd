import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockDataFolder } from "./data-lock.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-lock-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("lockDataFolder", () => {
  it("refuses a second holder, and names the first", () => {
    const lock = lockDataFolder(folder);
    expect(() => lockDataFolder(folder)).toThrow(`pid ${process.pid}`);
    lock.release();
    expect(existsSync(join(folder, "lock"))).toBe(false);
    lockDataFolder(folder).release();
  });

  it("takes over the lock of a process that is gone", () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    writeFileSync(join(folder, "lock"), `${pid} 12345\n`);
    const lock = lockDataFolder(folder);
    expect(readFileSync(join(folder, "lock"), "utf8")).toMatch(new RegExp(`^${process.pid} `));
    expect(readdirSync(folder)).toEqual(["lock"]);
    lock.release();
  });

  it("takes over a lock whose pid belongs to another process by now, or that says nothing", () => {
    for (const text of [`${process.pid} 1\n`, ""]) {
      writeFileSync(join(folder, "lock"), text);
      lockDataFolder(folder).release();
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});
