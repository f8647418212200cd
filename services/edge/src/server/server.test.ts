import { createHmac } from "node:crypto";
import { connect } from "node:net";
import { delay, silentLogger, systemClock } from "@millrace/runtime";
import { waitFor } from "@millrace/testkit";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { createAdmission } from "../admission/admission.ts";
import { bareAdmission } from "../testing/bare-admission.ts";
import { type HttpServices, ROUTES } from "../http/routes.ts";
import { LIMITS } from "../limits.ts";
import { AUDIENCE, ISSUER, TestIssuer } from "../testing/test-issuer.ts";
import { type Server, startServer } from "./server.ts";

const ORIGIN = "https://allowed.example";
const SUBPROTOCOL = "millrace.v1.json";
const KEYS_PAUSE_MS = 300;

let issuer: TestIssuer;
let server: Server;
let open: number;
let keysDelayMs: number;

beforeEach(async () => {
  keysDelayMs = 0;
  open = 0;
  issuer = await TestIssuer.start(() => keysDelayMs);
  const admission = await createAdmission({
    ...bareAdmission(issuer.jwks),
    origins: [ORIGIN],
    keysPauseMs: KEYS_PAUSE_MS,
  });
  server = await startServer({
    host: "127.0.0.1",
    port: 0,
    limits: LIMITS,
    isCompressing: false,
    logger: silentLogger,
    admission,
    isReady: () => true,
    hasRoom: () => true,
    stalled: () => [],
    // Only the handshake is asked for here; the rest needs a log.
    services: () => ({ limits: LIMITS, admission }) as HttpServices,
    open: (socket) => {
      open++;
      return {
        onText: (text) => void socket.send(`echo ${text}`),
        onSign: () => undefined,
        onPong: () => undefined,
        onDrain: () => undefined,
        onClose: () => void open--,
      };
    },
  });
});

afterEach(async () => {
  server.close();
  await issuer.stop();
});

interface Wish {
  readonly token?: string;
  readonly path?: string;
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

/** The status of the handshake; the socket is closed again. */
async function status(wish: Wish): Promise<number> {
  const { socket, status: got } = await handshake(wish);
  socket.terminate();
  return got;
}

async function handshake(wish: Wish): Promise<{ socket: WebSocket; status: number }> {
  const { token, path = "/v1/connect", protocols = [SUBPROTOCOL], headers = {} } = wish;
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const url = `ws://127.0.0.1:${server.port}${path}`;
  const socket = new WebSocket(url, [...protocols], {
    headers: { ...authorization, ...(headers as Record<string, string>) },
  });
  socket.on("error", () => undefined);
  const got = await new Promise<number>((resolve) => {
    socket.on("open", () => resolve(101));
    socket.on("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
  });
  return { socket, status: got };
}

async function plainStatus(wish: Wish): Promise<number> {
  const { token, path = "/v1/connect" } = wish;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers });
  await response.body?.cancel();
  return response.status;
}

describe("the handshake", () => {
  // C-042
  it("The server decides how a token is verified, never the token", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    const foreign = await new SignJWT({ sub: "alice", millrace: {} })
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: issuer.kid })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setExpirationTime("1m")
      .sign(privateKey);
    const good = await issuer.token();
    const pastS = Math.floor(Date.now() / 1_000) - 60;
    const refused: Record<string, [number, string | Promise<string>]> = {
      "no algorithm": [401, withHeader(good, { alg: "none", typ: "at+jwt" }, "")],
      "the public key as a secret": [401, hmacOf(good, JSON.stringify(issuer.publicKey))],
      "another key under the known id": [401, foreign],
      "no exp": [401, issuer.token({ exp: undefined })],
      "exp in the past": [401, issuer.token({ exp: pastS })],
      "not valid yet": [401, issuer.token({ nbf: pastS + 3_600 })],
      "another issuer": [401, issuer.token({ iss: "https://other.test" })],
      "no sub": [401, issuer.token({ sub: undefined })],
      "another type": [401, issuer.token({}, { typ: "id+jwt" })],
      "an unknown key": [401, issuer.token({}, { kid: "made up" })],
      "no signature": [401, `${good.split(".").slice(0, 2).join(".")}.`],
      "no token at all": [401, "x.y.z"],
      "malformed rights": [401, issuer.token({ millrace: { read: "*" } })],
      "too long": [401, issuer.token({ padding: "x".repeat(7_000) })],
      "another audience": [403, issuer.token({ aud: "billing" })],
      "a user id that is too long": [403, issuer.token({ sub: "u".repeat(91) })],
    };
    for (const [what, [wanted, token]] of Object.entries(refused)) {
      const got = await status({ token: await token });
      expect(`${what}: ${got}`).toBe(`${what}: ${wanted}`);
    }
    expect(await exportJWK(publicKey)).not.toEqual(issuer.publicKey);
    expect(await status({ token: good })).toBe(101);
    expect(await status({ token: await issuer.token({}, { typ: "JWT" }) })).toBe(101);
  });

  // C-041
  it("A page from another origin cannot open a socket", async () => {
    const token = await issuer.token();
    const from = (origin: string | readonly string[]): Promise<number> =>
      status({ token, headers: { origin } });
    expect(await from(ORIGIN)).toBe(101);
    expect(await status({ token })).toBe(101);
    for (const origin of [
      "https://other.example",
      "https://allowed.example.evil.test",
      "null",
      "http://allowed.example",
      "https://allowed.example:8443",
      "",
      [ORIGIN, ORIGIN],
    ]) {
      expect([origin, await from(origin)]).toEqual([origin, 403]);
    }
    const cookie = { cookie: `token=${token}`, origin: ORIGIN };
    expect(await status({ headers: cookie })).toBe(401);
  });

  // C-043
  it("Key rotation goes unnoticed and made-up key ids cost nothing", async () => {
    expect(await status({ token: await issuer.token() })).toBe(101);
    await issuer.rotate();
    await waitFor(async () => (await status({ token: await issuer.token() })) === 101, {
      what: "the new key works",
    });
    await delay(systemClock, KEYS_PAUSE_MS);
    const before = issuer.requests;
    const startMs = performance.now();
    const made = Array.from({ length: 1_000 }, (_, index) => index);
    for (const index of made) {
      const token = await issuer.token({}, { kid: `made up ${index}` });
      if ((await plainStatus({ token })) !== 401) throw new Error("a made-up key was accepted");
    }
    const pauses = Math.ceil((performance.now() - startMs) / KEYS_PAUSE_MS) + 1;
    expect(issuer.requests - before).toBeLessThanOrEqual(pauses);
    issuer.isDown = true;
    await delay(systemClock, KEYS_PAUSE_MS);
    expect(await status({ token: await issuer.token({}, { kid: "made up" }) })).toBe(401);
    expect(await status({ token: await issuer.token() })).toBe(101);
  });

  // C-037
  it("A peer that vanishes while it is being checked does no harm", async () => {
    await issuer.rotate();
    await delay(systemClock, KEYS_PAUSE_MS);
    keysDelayMs = 500;
    const token = await issuer.token();
    const indexes = Array.from({ length: 500 }, (_, index) => index);
    const tokens = indexes.map((index) => issuer.token({ sub: `peer ${index}` }));
    const peers = (await Promise.all(tokens)).map((of, index) => vanish(of, index));
    const staying = Array.from({ length: 5 }, () => handshake({ token }));
    await Promise.all(peers);
    const stayed = await Promise.all(staying);
    expect(stayed.map((peer) => peer.status)).toEqual([101, 101, 101, 101, 101]);
    expect(await status({ token })).toBe(101);
    for (const { socket } of stayed) socket.terminate();
    await waitFor(() => open === 0, { what: "nobody is left" });
  });

  it("answers a request without an upgrade as the upgrade would be answered", async () => {
    expect(await plainStatus({ token: await issuer.token() })).toBe(204);
    expect(await plainStatus({})).toBe(401);
    expect(await plainStatus({ path: "/elsewhere" })).toBe(404);
    expect(await plainStatus({ path: "/v1/connect?token=x" })).toBe(400);
    expect(await plainStatus({ path: "/healthz" })).toBe(200);
    expect(await plainStatus({ path: "/readyz" })).toBe(200);
    server.refuseNewcomers({ alsoCalls: false });
    expect(await plainStatus({ token: await issuer.token() })).toBe(503);
    expect(await plainStatus({ path: "/readyz" })).toBe(503);
    // Whoever calls over HTTP can't be moved away: they are asked for their token, as ever.
    for (const { method, path, isOfNewcomers = false } of ROUTES) {
      const url = `http://127.0.0.1:${server.port}${path.replace("{c}", "room")}`;
      const { status: got } = await fetch(url, { method });
      expect([path, got === 503]).toEqual([path, isOfNewcomers]);
    }
    server.refuseNewcomers({ alsoCalls: true });
    for (const { method, path } of ROUTES) {
      const url = `http://127.0.0.1:${server.port}${path.replace("{c}", "room")}`;
      const { status: got, headers } = await fetch(url, { method });
      expect([path, got, headers.get("retry-after")]).toEqual([path, 503, "2"]);
    }
    expect(await plainStatus({ token: await issuer.token() })).toBe(503);
    expect(await plainStatus({ path: "/readyz" })).toBe(503);
  });

  it("refuses what it does not speak, and takes a token from a sub-protocol", async () => {
    const token = await issuer.token();
    expect(await status({ token, protocols: ["other.v1"] })).toBe(400);
    expect(await status({ token, path: "/v2/connect" })).toBe(404);
    expect(await status({ token, path: "/v1/connect?device=a%20b" })).toBe(400);
    expect(await status({ token, path: "/v1/connect?device=a&device=b" })).toBe(400);
    expect(await status({ path: "/v1/connect?ticket=x" })).toBe(401);
    // Nobody answers here whether there is such a ticket.
    expect(await status({ path: `/v1/connect?ticket=${"x".repeat(43)}` })).toBe(503);
    const protocols = [SUBPROTOCOL, `bearer.${token}`];
    const { socket, status: got } = await handshake({ protocols });
    expect(got).toBe(101);
    expect(socket.protocol).toBe(SUBPROTOCOL);
    socket.terminate();
  });

  it("says why a user with too many connections gets no other", async () => {
    const token = await issuer.token({ sub: "busy" });
    const peers = await Promise.all(Array.from({ length: 64 }, () => handshake({ token })));
    expect(await status({ token })).toBe(429);
    peers[0]?.socket.terminate();
    await waitFor(async () => (await status({ token })) === 101, { what: "a place is free" });
    for (const { socket } of peers) socket.terminate();
  });
});

describe("frames", () => {
  it("closes a connection that sends binary or oversized frames, and no other", async () => {
    const token = await issuer.token();
    const [binary, large, fine] = await Promise.all([
      handshake({ token }),
      handshake({ token }),
      handshake({ token }),
    ]);
    const codes = Promise.all([closeCode(binary.socket), closeCode(large.socket)]);
    binary.socket.send(Buffer.from("{}"));
    large.socket.send("x".repeat(LIMITS.announced.frameBytes + 1));
    expect(await codes).toEqual([4400, 1009]);
    const echoed = new Promise((resolve) => {
      fine.socket.on("message", (data: Buffer) => resolve(data.toString()));
    });
    fine.socket.send("still here");
    expect(await echoed).toBe("echo still here");
    fine.socket.terminate();
  });
});

function closeCode(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.on("close", (code) => resolve(code)));
}

/** Sends an upgrade on a bare connection and resets it within a second. */
function vanish(token: string, index: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port: server.port, host: "127.0.0.1" }, () => {
      socket.write(
        `GET /v1/connect HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Protocol: ${SUBPROTOCOL}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
      setTimeout(() => socket.resetAndDestroy(), (index * 37) % 1_000);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
  });
}

function withHeader(token: string, header: object, signature: string): string {
  const [, payload = ""] = token.split(".");
  return `${base64url(JSON.stringify(header))}.${payload}.${signature}`;
}

function hmacOf(token: string, secret: string): string {
  const unsigned = withHeader(token, { alg: "HS256", typ: "at+jwt", kid: issuer.kid }, "");
  const signed = unsigned.slice(0, -1);
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

function base64url(text: string): string {
  return Buffer.from(text).toString("base64url");
}
