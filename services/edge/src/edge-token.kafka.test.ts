import { waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { EdgeStage, type LocalEdge, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import { type DownJson, RawClient } from "./testing/raw-client.ts";

const SECOND_MS = 1_000;
const LEEWAY_MS = 5_000;

let stage: EdgeStage;
let edge: LocalEdge;

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: inject("redisUrl") });
  edge = await stage.start("edge-1");
});

afterEach(() => stage.close());

interface Wish {
  readonly sub?: string;
  readonly seconds?: number;
  readonly read?: readonly string[];
  readonly write?: readonly string[];
}

function token({ sub = "alice", seconds = 60, read = ["*"], write = ["*"] }: Wish = {}) {
  const exp = Math.floor(Date.now() / SECOND_MS) + seconds;
  return stage.issuer.token({ sub, exp, millrace: { read, write } });
}

async function connect(wish: Wish): Promise<RawClient> {
  const client = await RawClient.open({ url: edge.ws, token: await token(wish) });
  stage.atEnd(() => Promise.resolve(client.terminate()));
  return client;
}

async function auth(client: RawClient, wish: Wish): Promise<DownJson> {
  return client.request({ t: "auth", token: await token(wish) });
}

describe("a token", () => {
  // C-039
  it("An expired token ends the session it opened", async () => {
    const c = "room:expiring";
    const reader = await connect({ sub: "reader" });
    await subscribe(reader, c, "live");
    const wish = { sub: "one", seconds: 3 };
    const text = await token(wish);
    const expiresAtMs = expiryOf(text);
    const one = await RawClient.open({ url: edge.ws, token: text });
    const two = await connect({ sub: "two", seconds: 3 });
    const three = await connect({ sub: "three", seconds: 3 });
    for (const client of [one, two]) await subscribe(client, c, "live");
    await one.next(({ t }) => t === "expiring", "a warning");
    expect((await auth(two, { sub: "two" })).t).toBe("authd");
    expect((await auth(three, { sub: "bob" })).code).toBe("bad-token");
    let sent = 0;
    await waitFor(
      () => {
        if (one.closeCode !== undefined) return true;
        one.send({ t: "pub", c, body: `one ${sent++}` });
        return false;
      },
      { what: "the end of its token" },
    );
    const lateMs = Date.now() - expiresAtMs - LEEWAY_MS;
    expect(one.closeCode).toBe(4451);
    expect(lateMs).toBeGreaterThan(-50);
    expect(lateMs).toBeLessThan(2_000);
    await waitFor(() => three.closeCode !== undefined, { what: "the end of the refused one" });
    expect(three.closeCode).toBe(4451);
    one.send({ t: "pub", c, body: "too late" });
    const heard = one.messages(c).length;
    await publish(two, c, ["from two"]);
    await reader.next(({ body }) => body === "from two", "the message of the other one");
    expect(reader.bodies(c)).not.toContain("too late");
    expect(one.messages(c)).toHaveLength(heard);
    expect(two.closeCode).toBeUndefined();
    await expect(RawClient.open({ url: edge.ws, token: text })).rejects.toThrow("welcome");
    const response = await fetch(edge.ws.replace("ws", "http"), {
      headers: { authorization: `Bearer ${text}` },
    });
    await response.body?.cancel();
    expect(response.status).toBe(401);
  });

  it("that is refused changes nothing, and a good one is warned about anew", async () => {
    const c = "room:renewed";
    const client = await connect({ seconds: 20 });
    await client.next(({ t }) => t === "expiring", "the first warning");
    const before = client.frames.length;
    for (const wish of [{ sub: "bob" }, { seconds: -60 }]) {
      expect(await auth(client, wish)).toMatchObject({ t: "err", code: "bad-token" });
    }
    expect(await client.request({ t: "auth", token: "x.y.z" })).toMatchObject({
      code: "bad-token",
    });
    await publish(client, c, ["still alice"]);
    const renewed = await auth(client, { seconds: 30 });
    expect(renewed.t).toBe("authd");
    await waitFor(() => client.frames.slice(before).some(({ t }) => t === "expiring"), {
      what: "the second warning",
    });
  });

  it("brings its rights at once, and ends what they no longer cover", async () => {
    const [kept, lost] = ["room:kept", "room:lost"];
    const writer = await connect({ sub: "writer" });
    const client = await connect({});
    for (const c of [kept, lost]) await subscribe(client, c, "live");
    // What stands behind it is judged by the rights of its moment, and keeps its place.
    const narrow = await token({ read: [kept], write: [kept] });
    expect((await client.request({ t: "auth", token: narrow })).t).toBe("authd");
    const told = client.frames.findIndex(({ t }) => t === "unsubd");
    expect(client.frames[told]).toEqual({ t: "unsubd", c: lost, code: "forbidden" });
    expect(client.frames[told + 1]?.t).toBe("authd");
    const { pos } = await subscribe(client, kept, "live");
    const refused = [
      { t: "sub", c: lost },
      { t: "pub", c: lost, body: "x" },
      { t: "ack", c: lost, pos },
    ];
    for (const frame of refused) {
      expect([frame, (await client.request(frame)).code]).toEqual([frame, "forbidden"]);
    }
    await publish(writer, lost, ["not for alice"]);
    await publish(client, kept, ["for alice"]);
    await whenHas(client, kept, ["for alice"]);
    expect(client.messages(lost)).toEqual([]);
    expect((await auth(client, {})).t).toBe("authd");
    await subscribe(client, lost, "earliest");
    await whenHas(client, lost, ["not for alice"]);
  });

  it("lets no frame of a conversation overtake another while it is verified", async () => {
    const c = "room:order";
    const client = await connect({});
    await subscribe(client, c, "live");
    const next = await token({});
    const frames = Array.from({ length: 60 }, (_, index) =>
      index % 20 === 10
        ? { t: "auth", id: 500 + index, token: next }
        : { t: "pub", id: 500 + index, c, key: `k${index}`, body: `m${index}` },
    );
    for (const frame of frames) client.send(frame);
    const pubs = frames.filter(({ t }) => t === "pub");
    await whenHas(
      client,
      c,
      pubs.map(({ body }) => body ?? ""),
    );
    const answered = client.frames.filter(({ t }) => t === "pubd").map(({ id }) => id);
    expect(answered).toEqual(pubs.map(({ id }) => id));
  });
});

function expiryOf(text: string): number {
  const [, payload = ""] = text.split(".");
  const { exp } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { exp: number };
  return exp * SECOND_MS;
}
