import { createServer } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClientState, type Environment, connect } from "@millrace/client/node";
import { silentLogger } from "@millrace/runtime";
import {
  CLOSES,
  type CloseCode,
  REFUSALS,
  type RefusalStatus,
  nextAfterClose,
} from "@millrace/schemas";
import { waitFor } from "@millrace/testkit";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { createAdmission } from "./admission/admission.ts";
import type { Socket } from "./connection/socket.ts";
import { LIMITS } from "./limits.ts";
import type { PublishGate } from "./publish/publish-gate.ts";
import { startServer } from "./server/server.ts";
import { bareAdmission } from "./testing/bare-admission.ts";
import { EdgeStage, type LocalEdge } from "./testing/edge-stage.ts";

const REASON_BYTES_MAX = 123;
const EMOJI = "😀".repeat(125);

/** Codes that a later version may have: docs/protocol.md §8 says what is done about them. */
const FUTURE = [4449, 4499, 4599];

const CODES = [...Object.keys(CLOSES).map(Number), ...FUTURE];

let stage: EdgeStage;
let edge: LocalEdge;
let closing: WebSocketServer;
/** Refuses all with 503 while it is not ready. */
let bare: { readonly port: number; readonly sockets: Socket[]; isReady: boolean };
/** The code that whoever comes is sent away with. */
let code = 1000;

beforeAll(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
  edge = await stage.start("edge-1");
  closing = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  closing.on("connection", (socket) => {
    socket.send(JSON.stringify(WELCOME));
    socket.close(code);
  });
  bare = await bareServer();
});

afterAll(async () => {
  await stage.close();
  closing.close();
});

const WELCOME = {
  t: "welcome",
  session: "s_1",
  conn: "c_1",
  user: "alice",
  edge: "edge-1",
  resumed: false,
  features: [],
  pingMs: 25_000,
  serverTime: 0,
  tokenExpiresInMs: 3_600_000,
  limits: LIMITS.announced,
};

async function bareServer(): Promise<typeof bare> {
  const place = { port: 0, sockets: [] as Socket[], isReady: true };
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    limits: LIMITS,
    isCompressing: false,
    logger: silentLogger,
    admission: await createAdmission(bareAdmission(stage.issuer.jwks)),
    isReady: () => place.isReady,
    hasRoom: () => true,
    stalled: () => [],
    services: () => {
      throw new Error("nothing is asked of it");
    },
    open: (socket) => {
      place.sockets.push(socket);
      socket.send(JSON.stringify(WELCOME));
      return DEAF;
    },
  });
  stage.atEnd(() => Promise.resolve(server.close()));
  return Object.assign(place, { port: server.port });
}

function ignore(): void {
  // Nobody is asked anything here.
}

const DEAF = { onText: ignore, onSign: ignore, onPong: ignore, onDrain: ignore, onClose: ignore };

interface Tried {
  readonly states: readonly ClientState[];
  readonly tokens: number;
}

/** What the SDK does, on real sockets, until it has decided what is next. */
async function tried(
  url: string,
  token: string,
  environment: Partial<Environment> = {},
): Promise<Tried> {
  const states: ClientState[] = [];
  let tokens = 0;
  const client = connect({
    url,
    token: () => {
      tokens++;
      return token;
    },
    onState: (state) => states.push(state),
    environment: { random: () => 0.01, ...environment },
  });
  const isDecided = (): boolean => {
    const waits = states.filter(({ kind }) => kind === "waiting");
    const asksAgain = waits.some((state) => state.kind === "waiting" && state.retryInMs < 5_000);
    return states.at(-1)?.kind === "stopped" || (asksAgain ? tokens > 1 : waits.length > 0);
  };
  await waitFor(isDecided, { what: `a decision about ${url}` });
  // The client's own end is a state, too.
  const decided = { states: [...states], tokens };
  client.close();
  return decided;
}

function expectNext({ states, tokens }: Tried, why: number, next: string): void {
  const waiting = states.find((state) => state.kind === "waiting");
  const stopped = states.find(({ kind }) => kind === "stopped");
  const outcome = { why, next, stopped: stopped !== undefined };
  expect(outcome).toEqual({ why, next, stopped: next === "stop" });
  if (next === "stop") return;
  // Each attempt has a token of its own, so that an expired one is never shown twice.
  if ((waiting?.retryInMs ?? 0) < 5_000) expect(tokens).toBeGreaterThan(1);
}

async function tokenOf(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return stage.issuer.token({ sub: "alice", ...claims });
}

/** What the edge says to 40 kB of headers that come in pieces, as they do on any real network. */
async function answerToLongHeaders(): Promise<string> {
  const socket = connectTcp(edge.port, "127.0.0.1");
  const heard: Buffer[] = [];
  socket.on("data", (data) => heard.push(data));
  socket.on("error", ignore);
  socket.write("GET /v1/connect HTTP/1.1\r\nHost: edge\r\n");
  for (let piece = 0; piece < 40 && heard.length === 0; piece++) {
    socket.write(`X-${piece}: ${"x".repeat(1_000)}\r\n`);
    await sleep(2);
  }
  await waitFor(() => heard.length > 0, { what: "an answer" });
  socket.destroy();
  return Buffer.concat(heard).toString();
}

/** Each refusal of the table, provoked on a real edge. A status without a row fails by its type. */
const REFUSED: Readonly<Record<RefusalStatus, () => Promise<Tried>>> = {
  400: async () => tried(`${edge.ws}?access_token=x`, await tokenOf()),
  401: () => tried(edge.ws, "no.token.atall"),
  403: async () => tried(edge.ws, await tokenOf({ aud: "another" })),
  404: async () => tried(edge.ws.replace("connect", "elsewhere"), await tokenOf()),
  409: async () => {
    const first = await stage.connect(edge, "alice");
    const { session } = first.frames[0] ?? {};
    // Newer than the client's next attempt will be, too: that one it asks about.
    await stage.connectWith(edge, "alice", { session: String(session), attempt: "5" });
    return tried(`${edge.ws}?session=${session}&attempt=0`, await tokenOf());
  },
  429: async () => {
    // One after the other: many at once are newcomers that are told to wait.
    let held = 0;
    while (held < 64) {
      const client = await stage.connect(edge, "crowd").catch((error: unknown) => String(error));
      if (typeof client !== "string") held++;
      else expect(client).toContain("503");
    }
    return tried(edge.ws, await tokenOf({ sub: "crowd" }));
  },
  // The HTTP layer's own, once headers come in pieces, which the SDK's loopback line does not do.
  431: async () => {
    const layer = createServer((_, response) => response.writeHead(431).end());
    layer.on("upgrade", (_, socket) => socket.end("HTTP/1.1 431 Too Large\r\n\r\n"));
    await new Promise<void>((resolve) => layer.listen(0, "127.0.0.1", resolve));
    const { port } = layer.address() as AddressInfo;
    const outcome = await tried(`ws://127.0.0.1:${port}/v1/connect`, await tokenOf());
    layer.close();
    return outcome;
  },
  503: async () => {
    bare.isReady = false;
    const outcome = await tried(`ws://127.0.0.1:${bare.port}/v1/connect`, await tokenOf());
    bare.isReady = true;
    return outcome;
  },
};

describe("what a client does next", () => {
  // C-034
  it("Every close tells the client what to do next", async () => {
    const { port } = closing.address() as AddressInfo;
    for (code of CODES) {
      const outcome = await tried(`ws://127.0.0.1:${port}`, await tokenOf());
      // Nobody here asked for a 1000: something in between has ended it.
      const next = code === 1000 ? "reconnect" : nextAfterClose(code);
      expectNext(outcome, code, next);
      const waiting = outcome.states.find((state) => state.kind === "waiting");
      if (next === "back-off") expect(waiting?.retryInMs).toBeGreaterThanOrEqual(10_000);
      else expect(waiting?.retryInMs ?? 0).toBeLessThan(5_000);
    }
    expect([4449, 4499, 4599].map(nextAfterClose)).toEqual(["stop", "reconnect", "reconnect"]);
    for (const [status, provoke] of Object.entries(REFUSED)) {
      const outcome = await provoke();
      expectNext(outcome, Number(status), REFUSALS[Number(status) as RefusalStatus].next);
      const why = outcome.states.find((state) => "why" in state);
      const said = why !== undefined && "why" in why ? why.why.message : "";
      expect(said).toContain(status);
    }
  });

  it.each(Object.keys(CLOSES).map(Number) as CloseCode[])(
    "the reason of %s is a short fixed word",
    async (closeCode) => {
      const url = `ws://127.0.0.1:${bare.port}/v1/connect`;
      const headers = { authorization: `Bearer ${await tokenOf()}` };
      const socket = new WebSocket(url, ["millrace.v1.json"], { headers });
      const ending: { reason?: Buffer } = {};
      socket.on("close", (_, reason) => {
        ending.reason = reason;
      });
      await waitFor(() => socket.readyState === WebSocket.OPEN, { what: "an open socket" });
      const before = await waitFor(() => bare.sockets.at(-1), { what: "its other end" });
      before.close(closeCode);
      before.close(closeCode);
      await waitFor(() => ending.reason !== undefined, { what: "the close" });
      const reason = ending.reason?.toString() ?? "";
      expect(reason).toBe(CLOSES[closeCode].name);
      expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(REASON_BYTES_MAX);
    },
  );

  it("Headers beyond their limit get 431", async () => {
    expect(await answerToLongHeaders()).toMatch(/^HTTP\/1.1 431 /);
  });

  it("The words of an error inside reach no client, however long they are", async () => {
    const outcome = { kind: "not-appended", why: EMOJI } as const;
    const verdict = { kind: "answer", outcome } as const;
    const gate: PublishGate = {
      check: (_, publishes) => Promise.resolve(publishes.map(() => verdict)),
    };
    const failing = await stage.start("edge-2", { gate });
    const client = await stage.connect(failing, "alice");
    const answer = await client.request({ t: "pub", c: "room:1", body: "hello" });
    expect(answer).toMatchObject({ t: "err", code: "unavailable" });
    expect(JSON.stringify(client.frames)).not.toContain("😀");
    expect((await client.request({ t: "ping" })).t).toBe("pong");
  });
});
