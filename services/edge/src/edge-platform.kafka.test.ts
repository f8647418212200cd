import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { EdgeStage } from "./testing/edge-stage.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const STARTED_MS_MAX = 10_000;
const REGISTRY = "https://registry.npmjs.org/";

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

/** A process that is told it runs elsewhere: what Node says of itself is all that an edge asks. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "a musl base": reported({}),
  "an older glibc": reported({ glibcVersionRuntime: "2.17" }),
  "the next major of Node": versioned({ node: "26.0.0", modules: "147" }),
};

function reported(header: object): string {
  return `process.report.getReport = () => ({ header: ${JSON.stringify(header)} });`;
}

function versioned(versions: object): string {
  const value = `{ ...process.versions, ...${JSON.stringify(versions)} }`;
  return `Object.defineProperty(process, "versions", { value: ${value} });`;
}

/** The edge's own main, without anything else wrong: how it ended, and what it printed. */
function startElsewhere(preload: string): Promise<{ code: unknown; output: string }> {
  const source = `data:text/javascript,${encodeURIComponent(preload)}`;
  const args = ["--import", "tsx", "--import", source, "services/edge/src/main.ts"];
  const env = {
    ...process.env,
    EDGE_PORT: "0",
    EDGE_KAFKA_BROKERS: inject("kafkaBrokers").join(","),
    EDGE_REDIS_URL: inject("redisUrl"),
    EDGE_ISSUER: "https://issuer.test",
    EDGE_JWKS: "https://issuer.test/jwks.json",
  };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: ROOT, env }, (error, stdout, stderr) => {
      resolve({ code: error?.code, output: `${stdout}${stderr}` });
    });
  });
}

// C-072
it("The image starts where we say it starts, and elsewhere says why not", async () => {
  const startMs = performance.now();
  const edge = await stage.spawn("edge-1");
  const client = await stage.connect(edge, "alice");
  expect(performance.now() - startMs).toBeLessThan(STARTED_MS_MAX);
  expect(client.frames[0]?.t).toBe("welcome");

  for (const [where, preload] of Object.entries(ELSEWHERE)) {
    const { code, output } = await startElsewhere(preload);
    expect({ where, code }).toEqual({ where, code: 1 });
    expect(output).toMatch(/^the edge can't start: [^\n]*20\.19[^\n]*24\.0[^\n]*\n$/);
  }

  // What `npm ci` fetches: whatever names no place comes from the registry that npm is set to.
  const lock = readFileSync(`${ROOT}package-lock.json`, "utf8");
  const { packages } = JSON.parse(lock) as { packages: Record<string, { resolved?: string }> };
  const elsewhere = Object.values(packages).filter(
    ({ resolved = "" }) => resolved.includes("://") && !resolved.startsWith(REGISTRY),
  );
  expect(Object.keys(packages).length).toBeGreaterThan(100);
  expect(elsewhere).toEqual([]);
  expect(lock).not.toMatch(/"git[+:@]|github:/);
});
