import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@millrace/testkit";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readSoakOptions } from "./soak-options.ts";
import { Soak } from "./soak.ts";

let dataFolder: string;

beforeEach(() => {
  dataFolder = mkdtempSync(join(tmpdir(), "millrace-soak-"));
});

afterEach(() => rmSync(dataFolder, { recursive: true, force: true }));

it("A short soak ends clean: faults were met, everything came, and the trend is told", async () => {
  const short = ["--minutes", "0.12", "--edges", "1", "--rate", "50", "--every", "2"];
  const place = ["--data", dataFolder, "--port", String(await freePort())];
  const faults = ["--faults", "edge-freeze,redis-flush,redis-kill", "--seed", "3"];
  const options = readSoakOptions([...short, ...place, ...faults]);
  if (options === undefined) throw new Error("these are options");
  const said: string[] = [];
  const result = await new Soak(options, (line) => said.push(line)).run();
  expect(result.verify.offences).toEqual([]);
  expect(result).toMatchObject({ isProved: true, seed: 3, replay: { isComplete: true } });
  expect(result.faults.filter(({ isDone }) => isDone).length).toBeGreaterThan(0);
  expect(result.trends.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["edge-1", "kafka", "redis", "soak"]),
  );
  expect(said[0]).toContain("seed 3");
});
