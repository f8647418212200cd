import {
  type Client,
  type ClientState,
  type ConnectOptions,
  type Environment,
  connect,
} from "@millrace/client/node";
import { TcpProxy, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { Redis } from "ioredis";
import { WebSocket } from "ws";
import { LIMITS } from "./limits.ts";
import { EdgeStage, type LocalEdge, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import type { RawClient } from "./testing/raw-client.ts";

const { bodyBytes, frameBytes } = LIMITS.announced;
const PUBLISHES = 200;
const PUBLISH_EVERY_MS = 20;
const CUT_EVERY_MS = 1_000;
/** A text message on the wire (RFC 6455 §5.2); what it says is masked. */
const TEXT_FRAME = 0x81;

let stage: EdgeStage;
let edge: LocalEdge;
let proxy: TcpProxy;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
  edge = await stage.start("edge-1");
  proxy = await TcpProxy.start({ targetPort: edge.port });
});

afterEach(async () => {
  await stage.close();
  await proxy.close();
});

/** The SDK on real sockets, through the proxy; what chance decides is decided soon. */
function sdk(user: string, options: Partial<ConnectOptions> = {}) {
  const states: ClientState[] = [];
  const client = connect({
    url: `ws://127.0.0.1:${proxy.port}/v1/connect`,
    token: () => stage.issuer.token({ sub: user }),
    onState: (state) => states.push(state),
    environment: { random: () => Math.random() * 0.05 },
    ...options,
  });
  stage.atEnd(() => Promise.resolve(client.close()));
  return { client, states };
}

function whenReady(client: Client): Promise<boolean> {
  return waitFor(() => client.state.kind === "ready", { what: "a ready client" });
}

/** As a Redis does that has lost them. */
async function deleteSessionsOf(user: string): Promise<void> {
  const redis = new Redis(inject("redisUrl"));
  const keys = await redis.keys(`mr:session*:{${user}}*`);
  expect(keys.length).toBeGreaterThan(0);
  await redis.del(...keys);
  redis.disconnect();
}

async function everything(c: string, count: number): Promise<RawClient> {
  const reader = await stage.connect(edge, "reader");
  await subscribe(reader, c, "earliest");
  await waitFor(() => reader.messages(c).length >= count, { what: `${count} messages` });
  // Whatever is in the log twice stands before this one.
  await publish(reader, c, ["the end"]);
  await reader.next(({ body }) => body === "the end", "the end");
  return reader;
}

/** Every second a cut: in turn instead of a publish, and between one and its answer. */
function cutEverySecond(): { readonly cuts: () => { before: number; between: number } } {
  const made = { before: 0, between: 0 };
  let lastMs = performance.now();
  let armed: number | undefined;
  proxy.inspect((data, direction, connection) => {
    if (direction === "up" && data[0] === TEXT_FRAME && armed === undefined) {
      if (performance.now() - lastMs < CUT_EVERY_MS) return "pass";
      lastMs = performance.now();
      if (made.before <= made.between) {
        made.before += 1;
        return "cut";
      }
      armed = connection;
    }
    if (direction === "down" && connection === armed && data.includes('"pubd"')) {
      armed = undefined;
      made.between += 1;
      return "cut";
    }
    return "pass";
  });
  return { cuts: () => made };
}

describe("the SDK on a line that breaks", () => {
  // C-017
  it("A resume that cannot work is refused once, and the client still gets its messages", async () => {
    const [c, other] = ["room:lost-session", "room:bad-position"];
    const writer = await stage.connect(edge, "writer");
    const { client, states } = sdk("reader");
    await whenReady(client);
    const bodies: string[] = [];
    client.subscribe(c, { from: "live", onMessage: ({ body }) => bodies.push(body) });
    await publish(writer, c, ["m1"]);
    await waitFor(() => bodies.length === 1, { what: "a first message" });
    const attempts = proxy.accepted;
    proxy.refuse(true);
    proxy.cutAll();
    await publish(writer, c, ["m2"]);
    await deleteSessionsOf("reader");
    proxy.refuse(false);
    await publish(writer, c, ["m3"]);
    await waitFor(() => bodies.length === 3, { what: "what came meanwhile" });
    expect(bodies).toEqual(["m1", "m2", "m3"]);
    expect(states.at(-1)?.kind).toBe("ready");
    expect(proxy.accepted).toBeGreaterThan(attempts);

    // A position with one wrong character: refused at once, for this conversation alone.
    const pos = (await writer.request({ t: "pub", c: other, body: "first" })).pos ?? "";
    const errors: string[] = [];
    const broken = client.subscribe(other, {
      from: { after: pos.replace(/\.\d+\./, ".x.") },
      onMessage: () => undefined,
      onError: ({ code }) => errors.push(code),
    });
    await waitFor(() => errors.length > 0, { what: "the refusal" });
    expect(errors).toEqual(["bad-position"]);
    expect(broken.isEnded).toBe(true);
    await publish(writer, c, ["m4"]);
    await waitFor(() => bodies.length === 4, { what: "the other conversation" });
  });

  // C-003
  it("A message sent while the line breaks arrives exactly once", async () => {
    const c = "room:broken";
    const { client } = sdk("alice");
    await whenReady(client);
    const { cuts } = cutEverySecond();
    const settled: { key: string; pos: string; isDuplicate: boolean }[] = [];
    const startMs = performance.now();
    let called = 0;
    const all: Promise<unknown>[] = [];
    await waitFor(
      () => {
        while (called < PUBLISHES && performance.now() - startMs >= called * PUBLISH_EVERY_MS) {
          const key = `p${called++}`;
          all.push(
            client.publish(c, `body of ${key}`, { key }).then(({ pos, isDuplicate }) => {
              settled.push({ key, pos, isDuplicate });
            }),
          );
        }
        return called === PUBLISHES;
      },
      { what: "all calls" },
    );
    await Promise.all(all);
    proxy.inspect(undefined);
    const reader = await everything(c, PUBLISHES);
    const stored = reader.messages(c).slice(0, -1);
    const keys = Array.from({ length: PUBLISHES }, (_, index) => `p${index}`);
    expect(stored.map(({ key }) => key)).toEqual(keys);
    const positions = new Map(stored.map(({ key, pos }) => [key, pos]));
    expect(settled).toHaveLength(PUBLISHES);
    for (const { key, pos } of settled) expect([key, pos]).toEqual([key, positions.get(key)]);
    expect(cuts().before).toBeGreaterThan(1);
    expect(cuts().between).toBeGreaterThan(0);
    expect(settled.some(({ isDuplicate }) => isDuplicate)).toBe(true);
  });
});

describe("what is too large", () => {
  // C-024
  it("A message that is too large is refused once and blocks nothing behind it", async () => {
    const c = "room:large";
    const sent: number[] = [];
    const closes: number[] = [];
    const { client } = sdk("alice", {
      environment: { random: () => 0.01, webSocket: boastingSocket(sent, closes) },
    });
    await whenReady(client);
    const outcome = async (body: string, key: string): Promise<string> => {
      try {
        await client.publish(c, body, { key });
        return "stored";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(await outcome("small", "p1")).toBe("stored");
    expect(await outcome("x".repeat(bodyBytes + 1), "p2")).toBe("body-too-large");
    expect(await outcome("€".repeat(bodyBytes / 2), "p2b")).toBe("body-too-large");
    expect(closes).toEqual([]);
    const both = [outcome("y".repeat(2 * frameBytes), "p3"), outcome("small too", "p4")];
    expect(await Promise.all(both)).toEqual(["body-too-large", "stored"]);
    expect(closes).toEqual([1009]);
    expect(sent.filter((bytes) => bytes > 2 * frameBytes)).toHaveLength(1);
    const reader = await everything(c, 2);
    expect(reader.messages(c).map(({ key }) => key)).toEqual(["p1", "p4", "the end"]);
    // With the SDK's own check nothing of it ever leaves.
    const honest = sdk("bob").client;
    await expect(honest.publish(c, "€".repeat(bodyBytes / 2))).rejects.toMatchObject({
      code: "body-too-large",
    });
    expect((await honest.publish(c, "x".repeat(bodyBytes))).isDuplicate).toBe(false);
  });
});

type SocketConstructor = Environment["webSocket"];
type SocketLike = InstanceType<SocketConstructor>;

/** A socket whose welcome announces more than the server takes: the SDK's own check lets all pass. */
function boastingSocket(sent: number[], closes: number[]): SocketConstructor {
  return class Boasting implements SocketLike {
    readonly #socket: WebSocket;

    constructor(url: string, protocols: string[]) {
      this.#socket = new WebSocket(url, protocols);
      this.#socket.on("close", (code) => closes.push(code));
    }

    addEventListener(...[type, listener]: Parameters<SocketLike["addEventListener"]>): void {
      if (type === "message") {
        this.#socket.on("message", (data: Buffer) => listener({ data: boast(data.toString()) }));
      } else if (type === "close") this.#socket.on("close", (code) => listener({ code }));
      else this.#socket.on(type, () => listener({}));
    }

    send(text: string): void {
      sent.push(Buffer.byteLength(text));
      this.#socket.send(text);
    }

    close(code?: number): void {
      this.#socket.close(code);
    }
  };
}

function boast(text: string): string {
  return text.replace(/"(body|frame)Bytes":\d+/g, '"$1Bytes":9999999');
}

describe("the SDK's tokens", () => {
  // C-075
  it("A new attempt gets a new token, and a hopeless one stops", async () => {
    const nowS = Math.floor(Date.now() / 1_000);
    let asked = 0;
    let isStale = false;
    const { client, states } = sdk("alice", {
      token: () => {
        asked += 1;
        const exp = isStale && asked <= 4 ? nowS - 60 : nowS + 600;
        return stage.issuer.token({ exp });
      },
    });
    await whenReady(client);
    isStale = true;
    proxy.cutAll();
    await waitFor(() => asked === 5 && client.state.kind === "ready", { what: "a good token" });
    const waits = states.flatMap((state) => (state.kind === "waiting" ? [state] : []));
    // First the line, then three times the token; each is told apart from a network that is away.
    expect(waits.map(({ why }) => why.code)).toEqual([
      "unavailable",
      "bad-token",
      "bad-token",
      "bad-token",
    ]);
    const pauses = waits.slice(1).map(({ retryInMs }) => retryInMs);
    for (const [index, pauseMs] of pauses.entries()) {
      expect(pauseMs).toBeGreaterThanOrEqual(1_000 * 2 ** index);
    }
    const hopeless = sdk("alice", { token: () => stage.issuer.token({ aud: "another" }) });
    await waitFor(() => hopeless.client.state.kind === "stopped", { what: "the end" });
    await expect(hopeless.client.publish("room:x", "x")).rejects.toMatchObject({ code: "stopped" });
  });

  it("are renewed in place: a session that outlives many of them has no seam", async () => {
    const c = "room:long";
    let asked = 0;
    const { client, states } = sdk("alice", {
      token: () => {
        asked += 1;
        return stage.issuer.token({ exp: Math.ceil(Date.now() / 1_000) + 2 });
      },
    });
    await whenReady(client);
    const seen: string[] = [];
    client.subscribe(c, { onMessage: ({ body }) => void seen.push(body) });
    const startMs = performance.now();
    let sent = 0;
    while (performance.now() - startMs < 12_000) {
      const body = `m${sent++}`;
      await client.publish(c, body);
      await waitFor(() => seen.at(-1) === body, { what: `the delivery of ${body}` });
    }
    expect(seen).toEqual(seen.map((_, index) => `m${index}`));
    expect(asked).toBeGreaterThan(4);
    expect(asked).toBeLessThan(60);
    expect(states.map(({ kind }) => kind)).toEqual(["connecting", "ready"]);
  });
});

describe("the SDK's pace", () => {
  it("keeps two clients of one user within the rate, and each message is stored once", async () => {
    const slow = await stage.start(
      "edge-2",
      {},
      {
        EDGE_PUBLISH_PER_SEC: "100",
        EDGE_PUBLISH_BURST: "50",
      },
    );
    proxy.aimAt(slow.port);
    const c = "room:paced";
    const { client: one, states } = sdk("alice");
    const { client: two } = sdk("alice");
    const bodies = Array.from({ length: 200 }, (_, index) => `m${index}`);
    await Promise.all(
      [one, two].map((client, side) =>
        Promise.all(bodies.map((body) => client.publish(c, `${side}/${body}`))),
      ),
    );
    const reader = await everything(c, 400);
    for (const side of [0, 1]) {
      const mine = reader.bodies(c).filter((body) => body.startsWith(`${side}/`));
      expect(mine).toEqual(bodies.map((body) => `${side}/${body}`));
    }
    expect(states.map(({ kind }) => kind)).toEqual(["connecting", "ready"]);
    await whenHas(reader, c, reader.bodies(c));
  });
});
