import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { announceProduct, runningProducts } from "./running-products.mjs";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-running-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const product = (name: string, startedAtMs = 1) => ({
  dataFolder: join(folder, name),
  readyFile: join(folder, name, "ready.json"),
  startedAtMs,
});

/** As another process would have written it. */
function leave(pid: number, content: object): string {
  const file = join(folder, `${pid}.json`);
  writeFileSync(file, JSON.stringify({ pid, birth: "", startedAtMs: 9, ...content }));
  return file;
}

it("a product is found while it runs, and not afterwards", () => {
  const takeBack = announceProduct({ ...product("data"), folder });
  expect(runningProducts({ folder })).toMatchObject([{ pid: process.pid, ...product("data") }]);
  takeBack();
  expect(runningProducts({ folder })).toEqual([]);
});

it("what a killed start has left is not taken for a product, and is taken away", () => {
  // No process has a pid beyond the largest that Linux gives; another one has this process's birth.
  const gone = leave(4_194_305, product("gone"));
  const otherBirth = leave(process.ppid, { ...product("other"), birth: "1" });
  expect(runningProducts({ folder })).toEqual([]);
  expect([gone, otherBirth].filter(existsSync)).toEqual([]);
});

it("the newest comes first, and a data folder chooses one", () => {
  announceProduct({ ...product("new", 20), folder });
  const { birth, ...own } = JSON.parse(readFileSync(join(folder, `${process.pid}.json`), "utf8"));
  // A second file of this very process: it runs, too.
  writeFileSync(join(folder, "1.json"), JSON.stringify({ ...own, birth, ...product("old", 10) }));
  const folders = runningProducts({ folder }).map(({ dataFolder }) => dataFolder);
  expect(folders).toEqual([join(folder, "new"), join(folder, "old")]);
  const chosen = runningProducts({ folder, dataFolder: join(folder, "old") });
  expect(chosen).toMatchObject([product("old", 10)]);
});

it("where nothing was ever started nothing runs", () => {
  expect(runningProducts({ folder: join(folder, "missing") })).toEqual([]);
});
