import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeNginxConfig } from "@millrace/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readEdgeConfig } from "../../services/edge/src/config.ts";
import { LIMITS } from "../../services/edge/src/limits.ts";

let folder = "";
let config = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-template-"));
  const files = { certificateFile: "/tls/a", keyFile: "/tls/b", ticketKeyFile: "/tls/c" };
  const place = { folder, port: 8443, authority: "", ...files };
  const edges = ["127.0.0.1:1", "127.0.0.1:2"];
  config = readFileSync(writeNginxConfig({ ...place, edges, trustedHops: ["10.0.0.0/8"] }), "utf8");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** In ms; all that the template has. */
function secondsOf(directive: string): number[] {
  const found = config.matchAll(new RegExp(`^\\s*${directive} (\\d+)s;`, "gm"));
  return [...found].map(([, seconds]) => Number(seconds) * 1_000);
}

/** The edge refuses to ping so rarely. */
function isPingRefused(pingMs: number): boolean {
  const read = readEdgeConfig({ EDGE_PING_MS: String(pingMs) });
  return !read.ok && read.problems.some((problem) => problem.includes("EDGE_PING_MS"));
}

describe("the template of the load balancer", () => {
  it("waits longer for a living line than any edge may be quiet", () => {
    expect(isPingRefused(50_000)).toBe(false);
    const timeOuts = [...secondsOf("proxy_read_timeout"), ...secondsOf("proxy_send_timeout")];
    expect(timeOuts).toHaveLength(2);
    for (const ms of timeOuts) expect(isPingRefused(ms - 1)).toBe(true);
  });

  it("has more patience with a client that reads nothing than the edge itself", () => {
    expect(secondsOf("send_timeout")).toHaveLength(1);
    for (const ms of secondsOf("send_timeout"))
      expect(ms).toBeGreaterThan(LIMITS.laggingPatienceMs);
  });

  it("takes a body that is a little too large, so that the edge says so itself", () => {
    const [, kib] = /client_max_body_size (\d+)k;/.exec(config) ?? [];
    expect(Number(kib) * 1_024).toBeGreaterThan(LIMITS.announced.frameBytes);
  });

  it("names each edge for sockets and for calls, and each hop, and leaves no value open", () => {
    expect(config.match(/^ +server 127\.0\.0\.1:\d max_fails/gm)).toHaveLength(2 * 2);
    expect(config).toContain("set_real_ip_from 10.0.0.0/8;");
    expect(config).not.toContain("${PROXY_");
  });
});
