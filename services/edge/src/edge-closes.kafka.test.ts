import { setTimeout as sleep } from "node:timers/promises";
import { silentLogger } from "@millrace/runtime";
import { CLOSES, type CloseCode } from "@millrace/schemas";
import { waitFor } from "@millrace/testkit";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { createAdmission } from "./admission/admission.ts";
import type { Socket } from "./connection/socket.ts";
import { bareAdmission } from "./testing/bare-admission.ts";
import { LIMITS } from "./limits.ts";
import { startServer } from "./server/server.ts";
import { EdgeStage, type EdgePlace, type LocalEdge } from "./testing/edge-stage.ts";
import { RawClient } from "./testing/raw-client.ts";
import { RawSocket, rawFrame } from "./testing/raw-socket.ts";

const PING_MS = 300;
const { frameBytes } = LIMITS.announced;

let stage: EdgeStage;
let edge: LocalEdge;
let bare: EdgePlace & { readonly sockets: Socket[] };

beforeAll(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
  const rates = { EDGE_PUBLISH_PER_SEC: "50", EDGE_PUBLISH_BURST: "100" };
  edge = await stage.start("edge-1", {}, { ...rates, EDGE_PING_MS: String(PING_MS) });
  bare = await bareServer();
});

afterAll(() => stage.close());

/** Only the server: what closes a connection there is its socket's `close`, and nothing else. */
async function bareServer(): Promise<EdgePlace & { readonly sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    limits: LIMITS,
    isCompressing: false,
    logger: silentLogger,
    admission: await createAdmission(bareAdmission(stage.issuer.jwks)),
    isReady: () => true,
    hasRoom: () => true,
    stalled: () => [],
    services: () => {
      throw new Error("nothing is asked of it");
    },
    open: (socket) => {
      sockets.push(socket);
      socket.send('{"t":"welcome"}');
      return {
        onText: () => undefined,
        onSign: () => undefined,
        onPong: () => undefined,
        onDrain: () => undefined,
        onClose: () => undefined,
      };
    },
  });
  stage.atEnd(() => Promise.resolve(server.close()));
  return { ws: `ws://127.0.0.1:${server.port}/v1/connect`, sockets };
}

async function closeOf(client: RawClient): Promise<number | undefined> {
  await waitFor(() => client.closeCode !== undefined, { what: "a close" });
  return client.closeCode;
}

/** What the client sees when it sends this. */
function afterText(...texts: readonly (string | Buffer)[]): () => Promise<number | undefined> {
  return async () => {
    const client = await stage.connect(edge, "alice");
    for (const text of texts) client.sendText(text);
    return closeOf(client);
  };
}

/** For those whose reasons are the application's: the close itself, on a real socket. */
function byTheServer(code: CloseCode): () => Promise<number | undefined> {
  return async () => {
    const client = await stage.connect(bare, "alice");
    bare.sockets.at(-1)?.close(code);
    return closeOf(client);
  };
}

async function afterSilence(): Promise<number | undefined> {
  // By hand: any other client would answer the pings.
  const token = await stage.issuer.token({ sub: "mute" });
  const received: Buffer[] = [];
  const socket = await RawSocket.open({
    port: edge.port,
    token,
    onData: (data) => received.push(data),
  });
  await waitFor(() => socket.isClosed, { what: "the end of a mute line" });
  return closeCodeIn(Buffer.concat(received));
}

/** A close frame (RFC 6455 §5.5.1) is the last thing that is sent. */
function closeCodeIn(bytes: Buffer): number {
  return bytes.readUInt16BE(bytes.lastIndexOf(0x88) + 2);
}

async function afterExpiry(): Promise<number | undefined> {
  // It may come up to the leeway after its end, and is closed at that.
  const exp = Math.floor(Date.now() / 1_000) - 3;
  const token = await stage.issuer.token({ exp });
  return closeOf(await RawClient.open({ url: edge.ws, token }));
}

async function afterDrain(): Promise<number | undefined> {
  const leaving = await stage.start("edge-2");
  const client = await stage.connect(leaving, "alice");
  void leaving.edge.drain();
  return closeOf(client);
}

async function afterTheClient(): Promise<number | undefined> {
  const client = await stage.connect(edge, "alice");
  client.close(1000);
  return closeOf(client);
}

/** Longer than a batch may be, so that the bucket is empty and the rest is too much. */
async function afterFlood(): Promise<number | undefined> {
  const client = await stage.connect(edge, "alice");
  const batch = JSON.stringify(Array.from({ length: 1_000 }, () => ({ t: "ping" })));
  for (let round = 0; round < 10 && client.closeCode === undefined; round++) {
    client.sendText(batch);
    await sleep(0);
  }
  return closeOf(client);
}

const manyFrames = JSON.stringify(Array.from({ length: 1_001 }, () => ({ t: "ping" })));

/** Each code of the table, and every way to it. A code without a row fails by its type. */
const WAYS: Readonly<Record<CloseCode, Readonly<Record<string, () => Promise<unknown>>>>> = {
  1000: { "the client ends it": afterTheClient, "the server ends it": byTheServer(1000) },
  1001: { "the edge drains": afterDrain },
  1009: {
    "a frame larger than frameBytes": afterText("x".repeat(frameBytes + 1)),
    "one of three times its size": afterText("x".repeat(3 * frameBytes)),
  },
  4400: {
    "not JSON": afterText("hello"),
    "an array of other things": afterText('[1,"ping"]'),
    "a binary message": afterText(Buffer.from('{"t":"ping"}')),
    "a batch of more than 1,000": afterText(manyFrames),
  },
  4403: { "a banned user": byTheServer(4403) },
  4409: { "a session that was taken over": byTheServer(4409) },
  4450: { "a flood of frames": afterFlood },
  4451: { "a token that has come to its end": afterExpiry },
  4458: { "a line on which nobody answers": afterSilence },
  4500: { "a defect": byTheServer(4500) },
  4503: { "an overload": byTheServer(4503) },
};

describe.each(Object.keys(CLOSES))("close code %s", (text) => {
  const code = Number(text) as CloseCode;
  const ways = Object.entries(WAYS[code]);

  it("has a way to it", () => {
    expect(ways.length).toBeGreaterThan(0);
  });

  it.each(ways)("is what the client sees after %s", async (_, way) => {
    expect(await way()).toBe(code);
  });
});

it("a peer that sends no pong but frames is alive", async () => {
  const token = await stage.issuer.token({ sub: "talker" });
  const socket = await RawSocket.open({ port: edge.port, token });
  const startMs = performance.now();
  while (performance.now() - startMs < 5 * PING_MS) {
    socket.write(rawFrame(0x81, '{"t":"ping"}'));
    await sleep(PING_MS / 3);
  }
  expect(socket.isClosed).toBe(false);
  socket.destroy();
});
