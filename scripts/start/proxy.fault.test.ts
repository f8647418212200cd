import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { must } from "@millrace/runtime";
import { type Client, connect } from "@millrace/client/node";
import { answersNginx, findNginx, freePort, isPortFree, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { signToken } from "../token.mjs";
import type { ReadyFile, ReadyProxy } from "./ready-file.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const START_MS = 120_000;
const ROOM = "room:lobby";

const hasNginx = (await findNginx()) !== undefined;
if (!hasNginx) process.stderr.write("no nginx 1.18 or newer: npm start -- --proxy is not tested\n");

let folder = "";
let product: ChildProcess;
let ended: Promise<number | null>;
let client: Client | undefined;

const readyFile = (): string => join(folder, "ready.json");
const ready = (): ReadyFile => JSON.parse(readFileSync(readyFile(), "utf8")) as ReadyFile;

function proxies(): [ReadyProxy, ReadyProxy] {
  const { proxy: [first, second] = [] } = ready();
  return [must(first, "a first balancer"), must(second, "a second one")];
}

const portOf = ({ ws }: ReadyProxy): number => Number(new URL(ws).port);

/** On the test run's own Kafka and Redis, with a topic of its own. */
async function start(...args: readonly string[]): Promise<void> {
  const places = ["--port", String(await freePort()), "--data", join(folder, "data")];
  const file = ["--ready-file", readyFile()];
  const env = {
    KAFKA_BROKERS: inject("kafkaBrokers").join(","),
    REDIS_URL: inject("redisUrl"),
    EDGE_TOPIC: `proxied-${randomUUID()}`,
  };
  product = spawn(process.execPath, ["scripts/launch.mjs", "start", ...places, ...file, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  ended = new Promise((resolve) => product.once("exit", resolve));
  const isThere = (): boolean => {
    if (product.exitCode !== null) throw new Error(`it ended with ${product.exitCode}`);
    return existsSync(readyFile());
  };
  await waitFor(isThere, { what: "the ready file", timeoutMs: START_MS });
}

describe.skipIf(!hasNginx)("npm start -- --proxy", () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "millrace-proxy-"));
  });

  afterEach(async () => {
    client?.close();
    product.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });

  it("serves by TLS at two addresses, starts again what is killed, and leaves nothing", async () => {
    await start("--proxy", "2");
    const [first, second] = proxies();
    expect(portOf(first)).not.toBe(portOf(second));
    const ca = readFileSync(first.caFile, "utf8");
    const heard: string[] = [];
    client = connect({
      url: [first.ws, second.ws],
      ca,
      token: () => signToken({ user: "alice" }),
    });
    const reading = client.subscribe(ROOM, { onMessage: ({ body }) => void heard.push(body) });
    await waitFor(() => reading.isLive, { what: "it is live" });
    await client.publish(ROOM, "before");
    for (const { pid } of [first, second]) process.kill(must(pid, "a pid"), "SIGKILL");
    const areNew = (): boolean =>
      proxies().every(({ pid }, index) => pid !== [first, second][index]?.pid);
    await waitFor(areNew, { what: "other balancers in the ready file" });
    expect(proxies().map(({ ws }) => ws)).toEqual([first.ws, second.ws]);
    await client.publish(ROOM, "after");
    await waitFor(() => heard.length === 2, { what: "both messages" });
    expect(heard).toEqual(["before", "after"]);

    const { pid } = ready();
    process.kill(pid, "SIGKILL");
    await ended;
    const areFree = async (): Promise<boolean> =>
      (await Promise.all([first, second].map((proxy) => isPortFree(portOf(proxy))))).every(Boolean);
    await waitFor(areFree, { what: "nobody listens there, not even a worker" });
    expect(await answersNginx(portOf(first), ca)).toBe(false);
  });
});
