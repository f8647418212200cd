import { connect } from "node:net";
import { type EdgeProcess, waitFor } from "@millrace/testkit";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { EdgeStage, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import type { RawClient } from "./testing/raw-client.ts";
import { RawSocket, rawFrame } from "./testing/raw-socket.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const RUNS = IS_FULL ? 5_000 : 300;
const AT_ONCE = 25;
const C = "room:hostile";

/** After that a peer that waits for more has waited long enough. */
const WAITED_MS = 300;

const { publishPerSec, publishBurst } = LIMITS.announced;
const ENV = {
  EDGE_COMPRESSING: "true",
  EDGE_PUBLISH_PER_SEC: String(publishPerSec),
  EDGE_PUBLISH_BURST: String(publishBurst),
};

let stage: EdgeStage;
let edge: EdgeProcess;
let neighbour: RawClient;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
  edge = await stage.spawn("edge-1", { env: ENV });
  neighbour = await stage.connect(edge, "neighbour");
  await subscribe(neighbour, C, "live");
});

afterEach(() => stage.close());

let said = 0;

/** The neighbour was not touched, and neither was the process. */
async function isUnharmed(): Promise<void> {
  const before = neighbour.bodies(C);
  const body = `still here ${said++}`;
  await publish(neighbour, C, [body], { isKeyed: false });
  await whenHas(neighbour, C, [...before, body]);
  expect([neighbour.closeCode, edge.child.hasExited]).toEqual([undefined, false]);
}

async function open(user: string, extensions?: string): Promise<RawSocket> {
  const token = await stage.issuer.token({ sub: user });
  const { port } = edge;
  return RawSocket.open({ port, token, ...(extensions !== undefined && { extensions }) });
}

describe("the layer below our frames", () => {
  it("A message may come in pieces, with pings between them", async () => {
    const socket = await open("slicer");
    const text = Buffer.from(JSON.stringify({ t: "pub", id: 1, c: C, body: "in three 🌸 pieces" }));
    // In the middle of a character.
    const cut = text.indexOf(Buffer.from("🌸")) + 2;
    socket.write(rawFrame(0x01, text.subarray(0, 3)));
    socket.write(rawFrame(0x89, "are you there"));
    socket.write(rawFrame(0x00, text.subarray(3, cut)));
    socket.write(rawFrame(0x8a, "nobody asked"));
    socket.write(rawFrame(0x00, ""));
    socket.write(rawFrame(0x80, text.subarray(cut)));
    await whenHas(neighbour, C, ["in three 🌸 pieces"]);
    expect(socket.received.includes(Buffer.from([0x8a, 13]))).toBe(true);
    // A byte at a time it is the same.
    for (const byte of rawFrame(0x81, JSON.stringify({ t: "pub", c: C, body: "slowly" }))) {
      socket.write(Buffer.from([byte]));
    }
    await whenHas(neighbour, C, ["in three 🌸 pieces", "slowly"]);
    socket.write(rawFrame(0x88, Buffer.from([0x03, 0xe8])));
    await waitFor(() => socket.isClosed, { what: "the end" });
    expect(socket.closeCode).toBe(1_000);
  });

  it("What the protocol forbids ends its own line, and no other", async () => {
    const start = rawFrame(0x01, "{");
    const offences: Record<string, Buffer> = {
      ...Object.fromEntries(
        [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf].map((opcode) => [
          `opcode ${opcode}`,
          rawFrame(0x80 | opcode, "x"),
        ]),
      ),
      RSV2: rawFrame(0xa1, "x"),
      RSV3: rawFrame(0x91, "x"),
      "a ping with RSV1": rawFrame(0xc9, "x"),
      "a close in pieces": rawFrame(0x08, Buffer.from([0x03, 0xe8])),
      "a message inside another": Buffer.concat([start, rawFrame(0x81, "{}")]),
      "a continuation of nothing": rawFrame(0x80, "{}"),
      "a length of 2^63": rawFrame(0x81, "x", { length: 2n ** 63n }),
      "a length of 2^40": rawFrame(0x81, "x", { length: 2n ** 40n }),
      "a length beyond the limit": rawFrame(0x81, "x", { length: 1_048_576n }),
      "pieces beyond the limit": Buffer.concat([
        rawFrame(0x01, "x".repeat(60_000)),
        ...Array.from({ length: 20 }, () => rawFrame(0x00, "x".repeat(60_000))),
      ]),
      "half a character": rawFrame(0x81, Buffer.from([0x22, 0xf0, 0x9f, 0x22])),
      "an overlong character": rawFrame(0x81, Buffer.from([0x22, 0xc0, 0xaf, 0x22])),
      "a close reason that is no UTF-8": rawFrame(0x88, Buffer.from([0x03, 0xe8, 0xff])),
      "a close code of nobody": rawFrame(0x88, Buffer.from([0x00, 0x00])),
    };
    await Promise.all(
      Object.entries(offences).map(async ([what, bytes]) => {
        const socket = await open(`offender ${what}`);
        socket.write(bytes);
        await waitFor(() => socket.isClosed, { what: `the end of ${what}` });
      }),
    );
    const compressed: Record<string, Buffer> = {
      "bytes that are no deflate": rawFrame(0xc1, Buffer.from([0xff, 0xff, 0xff, 0xff])),
      "a compressed piece that is no start": Buffer.concat([start, rawFrame(0xc0, "x")]),
    };
    for (const [what, bytes] of Object.entries(compressed)) {
      const socket = await open("offender", "permessage-deflate");
      socket.write(bytes);
      await waitFor(() => socket.isClosed, { what: `the end of ${what}` });
    }
    await isUnharmed();
  });

  it("A flood of pings, pongs or nothing at all ends with 4450", async () => {
    const floods: Record<string, Buffer> = {
      pings: rawFrame(0x89, "ping"),
      pongs: rawFrame(0x8a, "pong"),
      "empty batches": rawFrame(0x81, "[]"),
    };
    for (const [what, frame] of Object.entries(floods)) {
      const socket = await open("flooder");
      // What the bucket holds is nobody's business.
      socket.write(Buffer.concat(Array.from({ length: 900 }, () => frame)));
      await isUnharmed();
      expect([what, socket.isClosed]).toEqual([what, false]);
      for (let sent = 0; sent < 50_000 && !socket.isClosed; sent += 500) {
        socket.write(Buffer.concat(Array.from({ length: 500 }, () => frame)));
        // By then the edge has read it; what is sent to a closed line may cost its last words.
        await neighbour.request({ t: "ping" });
      }
      await waitFor(() => socket.isClosed, { what: `the end of ${what}` });
      expect([what, socket.closeCode]).toEqual([what, 4450]);
    }
    await isUnharmed();
  });
});

const wildFrame = fc
  .record({
    first: fc.oneof(fc.constantFrom(0x81, 0x01, 0x80, 0x89, 0x8a, 0xc1), fc.nat(255)),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text)),
      fc
        .constantFrom("pub", "sub", "unsub", "ack", "auth", "skip", "ping", "?")
        .map((t) =>
          Buffer.from(JSON.stringify({ t, id: 1, c: C, from: "live", pos: "x", token: "x" })),
        ),
    ),
    isMasked: fc.boolean(),
    length: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { freq: 8 }),
  })
  .map(({ first, payload, isMasked, length }) =>
    rawFrame(first, payload, { isMasked, ...(length !== null && { length }) }),
  );

const HEADERS = [
  "Host: x",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Protocol: millrace.v1.json",
  "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99",
  "Authorization: Bearer x.y.z",
  "X-Forwarded-For: 1.2.3.4",
  "Origin: null",
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "Expect: 100-continue",
];

const wildHead = fc
  .record({
    method: fc.constantFrom("GET", "GET", "POST", "PUT", "get", "\u0000", "PRI"),
    path: fc.oneof(
      fc.constantFrom(
        "/v1/connect",
        "/v1/tickets",
        "/v1/sessions",
        "/",
        "*",
        "http://x/v1/connect",
      ),
      fc.string({ maxLength: 200 }).map((text) => `/v1/connect?${text}`),
      fc.string({ unit: "binary", maxLength: 200 }),
    ),
    version: fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9.9", ""),
    headers: fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...HEADERS) },
        fc.string({ unit: "binary", maxLength: 100 }),
        fc.nat(20_000).map((length) => `X-Long: ${"x".repeat(length)}`),
      ),
      { maxLength: 20 },
    ),
    end: fc.constantFrom("\r\n\r\n", "\r\n\r\n", "\n\n", "\r\n", ""),
    rest: fc.uint8Array({ maxLength: 100 }),
  })
  .map(({ method, path, version, headers, end, rest }) =>
    Buffer.concat([
      Buffer.from([`${method} ${path} ${version}`, ...headers].join("\r\n") + end),
      rest,
    ]),
  );

/** What comes back, until it ends or has been waited for long enough. */
function exchange(bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port: edge.port, host: "127.0.0.1" });
    let text = "";
    const end = (): void => {
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(end, WAITED_MS);
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      text += data.toString("latin1");
    });
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(text);
    });
    socket.on("end", () => socket.end());
    socket.write(bytes);
  });
}

describe("whatever comes", () => {
  it("No bytes behind the 101 harm anybody but their sender", async () => {
    let user = 0;
    const some = fc.array(fc.array(wildFrame, { minLength: 1, maxLength: 12 }), {
      minLength: AT_ONCE,
      maxLength: AT_ONCE,
    });
    await fc.assert(
      fc.asyncProperty(some, async (conversations) => {
        await Promise.all(
          conversations.map(async (frames) => {
            const socket = await open(`fuzzer-${user++}`, "permessage-deflate");
            for (const frame of frames) if (!socket.isClosed) socket.write(frame);
            // What it has received is read to its end before it goes.
            socket.end();
            await waitFor(() => socket.isClosed, { what: "its end" });
          }),
        );
        await isUnharmed();
      }),
      { numRuns: Math.ceil(RUNS / AT_ONCE), endOnFailure: true },
    );
  });

  it("No request to connect, however broken, is answered with anything but its refusal", async () => {
    const some = fc.array(wildHead, { minLength: AT_ONCE, maxLength: AT_ONCE });
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(some, async (heads) => {
        for (const answer of await Promise.all(heads.map(exchange))) {
          const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? "none";
          seen.set(status, (seen.get(status) ?? 0) + 1);
          expect([status, answer === "" || status !== "none"]).toEqual([status, true]);
          expect(["none", "400", "401", "403", "404", "405", "413", "431", "501", "505"]).toContain(
            status,
          );
        }
        await isUnharmed();
      }),
      { numRuns: Math.ceil(RUNS / AT_ONCE), endOnFailure: true },
    );
    // The generator reaches what it is meant to reach.
    expect(seen.size).toBeGreaterThan(3);
  });
});
