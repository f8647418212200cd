import { gzipSync } from "node:zlib";
import { waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { WebSocket } from "ws";
import { LIMITS } from "./limits.ts";
import {
  type EdgePlace,
  EdgeStage,
  type LocalEdge,
  publish,
  subscribe,
} from "./testing/edge-stage.ts";

const C = "room:compressed";
const OFFENDERS = 50;
const BOMB_BYTES = 10_000_000;

let stage: EdgeStage;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

it("Compression is given to who asks for it, where it is switched on, and shrinks what is long", async () => {
  const [plain, compressing] = [
    await stage.start("edge-1"),
    await stage.start("edge-2", {}, { EDGE_COMPRESSING: "true" }),
  ];
  const body = JSON.stringify({ words: "the same words over and over ".repeat(60) });
  const sizes = [];
  for (const edge of [plain, compressing]) {
    const reader = await open(edge);
    expect(reader.socket.extensions.includes("permessage-deflate")).toBe(edge === compressing);
    reader.socket.send(JSON.stringify({ t: "sub", id: 1, c: C, from: "live" }));
    await waitFor(() => reader.frames.some(({ t }) => t === "live"), { what: "live" });
    const before = reader.bytesRead();
    await publish(await stage.connect(edge, "writer"), C, [body]);
    await waitFor(() => reader.frames.some((frame) => frame.body === body), { what: "the body" });
    sizes.push(reader.bytesRead() - before);
    reader.socket.terminate();
  }
  const [whole = 0, small = 0] = sizes;
  expect(whole).toBeGreaterThan(body.length);
  expect(small).toBeLessThan(whole / 3);
});

// C-027
it("A small frame cannot become a large one in memory", async () => {
  const edge = await stage.start("edge-1", {}, { EDGE_COMPRESSING: "true" });
  const healthy = await stage.connect(edge, "healthy");
  await subscribe(healthy, C, "live");
  const bomb = JSON.stringify({ t: "pub", id: 1, c: C, body: "a".repeat(BOMB_BYTES) });
  const heapBefore = process.memoryUsage().rss;
  const offenders = await Promise.all(Array.from({ length: OFFENDERS }, () => open(edge)));
  for (const { socket } of offenders) socket.send(bomb, { compress: true });
  await publish(await stage.connect(edge, "writer"), C, ["meanwhile"]);
  await waitFor(() => healthy.bodies(C).includes("meanwhile"), { what: "a message meanwhile" });
  await waitFor(() => offenders.every(({ closed }) => closed.code !== undefined), {
    what: "the end of each offender",
  });
  // The transport may cut without a code what is far beyond the limit: docs/protocol.md §8.
  expect(new Set(offenders.map(({ closed }) => closed.code))).toEqual(new Set([1006]));
  // The offenders themselves live in this process, and hold their own bombs.
  const grown = process.memoryUsage().rss - heapBefore - OFFENDERS * bomb.length;
  expect(grown).toBeLessThan(OFFENDERS * LIMITS.announced.frameBytes + 300_000_000);
  expect(healthy.closeCode).toBeUndefined();
  const response = await postGzip(edge, gzipSync(JSON.stringify({ body: "a".repeat(BOMB_BYTES) })));
  expect([413, 415]).toContain(response);
});

interface Opened {
  readonly socket: WebSocket;
  readonly frames: { readonly t?: string; readonly body?: string }[];
  readonly closed: { code?: number };
  readonly bytesRead: () => number;
}

/** A client that offers permessage-deflate, as browsers do. */
async function open(edge: EdgePlace): Promise<Opened> {
  const token = await stage.issuer.token({ sub: `user-${crypto.randomUUID()}` });
  const socket = new WebSocket(edge.ws, ["millrace.v1.json"], {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: { threshold: 0 },
  });
  const frames: Opened["frames"] = [];
  const closed: Opened["closed"] = {};
  const raw: { socket?: { readonly bytesRead: number } } = {};
  socket.on("upgrade", (response) => {
    raw.socket = response.socket;
  });
  socket.on("message", (data: Buffer) => {
    const parsed = JSON.parse(data.toString()) as Opened["frames"] | Opened["frames"][number];
    frames.push(...(Array.isArray(parsed) ? parsed : [parsed]));
  });
  socket.on("close", (code) => {
    closed.code = code;
  });
  socket.on("error", () => undefined);
  await waitFor(() => frames.length > 0, { what: "a welcome" });
  return { socket, frames, closed, bytesRead: () => raw.socket?.bytesRead ?? 0 };
}

async function postGzip({ port }: LocalEdge, body: Buffer): Promise<number> {
  const token = await stage.issuer.token({ sub: "bot" });
  const url = `http://127.0.0.1:${port}/v1/conversations/${encodeURIComponent(C)}/messages`;
  const headers = {
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    "content-encoding": "gzip",
  };
  const response = await fetch(url, { method: "POST", headers, body: new Uint8Array(body) });
  await response.body?.cancel();
  return response.status;
}
