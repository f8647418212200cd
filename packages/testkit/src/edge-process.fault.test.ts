import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answersReady, spawnEdge } from "./edge-process.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-edge-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** An edge as far as its process goes. */
function standIn(source: string): { main: string; outputFile: string; id: string } {
  const main = join(folder, "main.mjs");
  writeFileSync(main, source);
  return { main, outputFile: join(folder, "edge.log"), id: "edge-9" };
}

const SERVER = `
  import { createServer } from "node:http";
  createServer((request, response) => {
    response.statusCode = request.url === "/readyz" && process.env.EDGE_TOPIC === "t" ? 200 : 503;
    response.end();
  }).listen(Number(process.env.EDGE_PORT), process.env.EDGE_HOST);
  process.on("SIGTERM", () => process.exit(7));
`;

describe("spawnEdge", () => {
  it("resolves when the edge is ready, and tells how it ended", async () => {
    const edge = await spawnEdge({ ...standIn(SERVER), env: { EDGE_TOPIC: "t" } });
    expect(await answersReady(edge.port)).toBe(true);
    expect(edge.ws).toBe(`ws://127.0.0.1:${edge.port}/v1/connect`);
    expect(await edge.terminate()).toBe(7);
    expect(await answersReady(edge.port)).toBe(false);
  });

  it("tells what an edge has printed that ends before it is ready", async () => {
    const broken = standIn(`console.error("no brokers"); process.exit(1);`);
    await expect(spawnEdge({ ...broken, env: {} })).rejects.toThrow(/edge-9 ended.*no brokers/s);
  });

  it("ends an edge that nobody waits for any more", async () => {
    const waiting = new AbortController();
    const spawned = spawnEdge({ ...standIn(SERVER), env: {}, signal: waiting.signal });
    waiting.abort();
    await expect(spawned).rejects.toThrow("not needed any more");
  });
});
