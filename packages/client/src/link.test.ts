import { describe, expect, it } from "vitest";
import { FakeEdge, PING_MS } from "./testing/fake-edge.ts";

describe("the line to the edges", () => {
  it("offers the protocol and the token, and speaks only after the welcome", async () => {
    const edge = new FakeEdge();
    const client = await edge.connect({ device: "web" });
    client.subscribe("room:1", { onMessage: () => undefined });
    void client.publish("room:1", "hello");
    await edge.clock.settle();
    expect(edge.socket.protocols).toEqual(["millrace.v1.json", "bearer.token"]);
    expect(edge.socket.url.search).toBe("?device=web");
    expect(edge.socket.frames).toEqual([]);
    edge.socket.welcome();
    await edge.clock.settle();
    expect(edge.socket.frames.map(({ t }) => t)).toEqual(["pub", "sub"]);
    expect(client.state).toEqual({ kind: "ready", edge: "edge-1", user: "alice" });
  });

  it("waits a random time after each loss, the first one included", async () => {
    const edge = new FakeEdge();
    await edge.ready();
    edge.socket.end(1006);
    await edge.clock.advance(249);
    expect(edge.sockets).toHaveLength(1);
    await edge.clock.advance(1);
    expect(edge.sockets).toHaveLength(2);
    edge.socket.end(1006);
    await edge.clock.advance(499);
    expect(edge.sockets).toHaveLength(2);
    await edge.clock.advance(1);
    expect(edge.sockets).toHaveLength(3);
  });

  it("names the address that nobody answers at, and not the session", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const why = (): string =>
      client.state.kind === "waiting" ? client.state.why.message : client.state.kind;
    edge.socket.end(1006);
    expect(why()).toBe("the connection was closed with 1006");
    await edge.clock.advance(250);
    edge.socket.end(1006);
    await edge.clock.settle();
    expect(why()).toBe("ws://127.0.0.1:1/v1/connect can't be reached");
    expect(client.state).toMatchObject({ why: { cause: { message: "fetch failed" } } });
    await edge.clock.advance(500);
    await edge.clock.advance(20_000);
    expect(why()).toBe("no edge answers at ws://127.0.0.1:1/v1/connect");
  });

  it("never has two attempts under way, and gives each more time than the one before", async () => {
    const edge = new FakeEdge();
    edge.chance = 0;
    await edge.connect();
    for (const openingMs of [5_000, 10_000, 20_000, 30_000, 30_000]) {
      const attempts = edge.sockets.length;
      await edge.clock.advance(openingMs - 1);
      expect(edge.sockets).toHaveLength(attempts);
      expect(edge.socket.closedByClient).toBeUndefined();
      await edge.clock.advance(1);
      expect(edge.sockets[attempts - 1]?.closedByClient).toBe(1000);
      expect(edge.sockets).toHaveLength(attempts + 1);
    }
  });

  it("asks for a token before every attempt, and goes on until one is good", async () => {
    const edge = new FakeEdge();
    let asked = 0;
    const client = await edge.connect({ token: () => Promise.resolve(`token-${++asked}`) });
    edge.refusal = { status: 401 };
    for (let attempt = 1; attempt <= 3; attempt++) {
      expect(edge.socket.token).toBe(`token-${attempt}`);
      edge.socket.end(1006);
      await edge.clock.settle();
      expect(client.state).toMatchObject({ kind: "waiting", why: { code: "bad-token" } });
      await edge.clock.advance(10_000);
    }
    edge.socket.welcome();
    expect(edge.socket.token).toBe("token-4");
    expect(client.state.kind).toBe("ready");
  });

  it("asks a few times a minute only when no token is ever good", async () => {
    const edge = new FakeEdge();
    edge.chance = 0;
    edge.refusal = { status: 401 };
    await edge.connect();
    for (let seconds = 0; seconds < 120; seconds++) {
      edge.socket.end(1006);
      await edge.clock.advance(1_000);
    }
    const inTheSecondMinute = edge.sockets.length;
    for (let seconds = 0; seconds < 60; seconds++) {
      edge.socket.end(1006);
      await edge.clock.advance(1_000);
    }
    expect(edge.sockets.length - inTheSecondMinute).toBeLessThanOrEqual(4);
  });

  it("does not take its own attempt, whose answer was lost, for a newer connection", async () => {
    const edge = new FakeEdge();
    await edge.ready();
    edge.socket.end(1006);
    await edge.clock.advance(1_000);
    expect(edge.socket.url.searchParams.get("attempt")).toBe("1");
    // The edge took it, and died before it could say so.
    edge.socket.end(1006);
    await edge.clock.settle();
    expect(edge.asked.map(({ search }) => search)).toEqual(["?session=s_1&attempt=2"]);
  });

  it.each([400, 403, 404, 409, 431])("stops when an upgrade is refused with %i", async (status) => {
    const edge = new FakeEdge();
    edge.refusal = { status };
    const client = await edge.connect();
    edge.socket.end(1006);
    await edge.clock.advance(120_000);
    expect(edge.sockets).toHaveLength(1);
    expect(client.state).toMatchObject({ kind: "stopped", why: { code: "stopped" } });
    await expect(client.publish("room:1", "x")).rejects.toMatchObject({ code: "stopped" });
  });

  it.each([429, 503])("waits as long as a %i tells it, and a random time more", async (status) => {
    const edge = new FakeEdge();
    edge.refusal = { status, retryAfter: "20" };
    await edge.connect();
    edge.socket.end(1006);
    await edge.clock.advance(20_249);
    expect(edge.sockets).toHaveLength(1);
    await edge.clock.advance(1);
    expect(edge.sockets).toHaveLength(2);
  });

  it.each([
    [1000, "waiting", 250],
    [1001, "waiting", 250],
    [1009, "waiting", 250],
    [4400, "stopped", 0],
    [4403, "stopped", 0],
    [4409, "stopped", 0],
    [4449, "stopped", 0],
    [4450, "waiting", 10_250],
    [4451, "waiting", 250],
    [4458, "waiting", 250],
    [4500, "waiting", 250],
    [4503, "waiting", 250],
    [4999, "waiting", 250],
  ])("after a close with %i it is %s", async (code, kind, retryInMs) => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    edge.socket.end(code);
    expect(client.state.kind).toBe(kind);
    if (client.state.kind === "waiting") expect(client.state.retryInMs).toBe(retryInMs);
  });

  it("tries the other edges one after the other", async () => {
    const edge = new FakeEdge();
    edge.chance = 0;
    await edge.connect({ url: ["ws://a/", "ws://b/", "ws://c/"] });
    for (let attempt = 0; attempt < 3; attempt++) {
      edge.socket.end(1006);
      await edge.clock.advance(1);
    }
    expect(edge.sockets.map(({ url }) => url.host)).toEqual(["a", "b", "c", "a"]);
  });

  it("drops a session over which the server fails five times, at random pauses", async () => {
    const edge = new FakeEdge();
    edge.chance = 0;
    await edge.ready();
    edge.socket.end(1006);
    const named: boolean[] = [];
    for (let attempt = 0; attempt < 6; attempt++) {
      await edge.clock.advance(1);
      named.push(edge.socket.url.search.includes("session=s_1"));
      edge.socket.end(4500);
    }
    expect(named).toEqual([true, true, true, true, true, false]);
  });

  it("names its session with a rising attempt", async () => {
    const edge = new FakeEdge();
    await edge.ready();
    await edge.cut();
    expect(edge.socket.url.search).toBe("?session=s_1&attempt=1");
    await edge.cut();
    expect(edge.socket.url.search).toBe("?session=s_1&attempt=2");
  });

  it("after goaway it keeps the old line until the new one has spoken", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    const old = edge.socket;
    old.deliver({ t: "goaway", afterMs: 1_834, reason: "drain" });
    await edge.clock.advance(1_833);
    expect(edge.sockets).toHaveLength(1);
    await edge.clock.advance(1);
    expect(edge.sockets).toHaveLength(2);
    void client.publish("room:1", "by the old one");
    await edge.clock.settle();
    expect(old.framesOf("pub")).toHaveLength(1);
    expect(old.closedByClient).toBeUndefined();
    edge.socket.welcome();
    expect(old.closedByClient).toBe(1000);
    expect(edge.states).toEqual(["connecting", "ready", "ready"]);
  });

  it("an edge that ends before the move is over costs no second attempt", async () => {
    const edge = new FakeEdge();
    await edge.ready();
    const old = edge.socket;
    old.deliver({ t: "goaway", afterMs: 0, reason: "drain" });
    await edge.clock.advance(0);
    old.end(1001);
    await edge.clock.advance(4_000);
    expect(edge.sockets).toHaveLength(2);
  });

  it("close is final, also twice, and also before anything was opened", async () => {
    const edge = new FakeEdge();
    const client = await edge.connect();
    client.close();
    client.close();
    edge.socket.welcome();
    await edge.clock.advance(60_000);
    expect(edge.sockets).toHaveLength(1);
    expect(edge.socket.closedByClient).toBe(1000);
    expect(edge.states).toEqual(["connecting", "stopped"]);
  });
});

describe("a line on which nothing is heard", () => {
  it("is asked, and counts as dead without an answer", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    await edge.clock.advance(PING_MS);
    expect(edge.socket.frames).toEqual([{ t: "ping" }]);
    await edge.clock.advance(PING_MS);
    expect(edge.socket.closedByClient).toBe(1000);
    expect(client.state.kind).toBe("waiting");
  });

  it("lives as long as anything is heard", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    for (let round = 0; round < 20; round++) {
      await edge.clock.advance(PING_MS);
      edge.socket.deliver({ t: "pong", serverTime: 0 });
    }
    expect(client.state.kind).toBe("ready");
    expect(edge.sockets).toHaveLength(1);
  });

  it("is not blamed for timers that come late", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    // A hidden page: its timers fire once a minute, and what has arrived is read after that.
    for (let minute = 0; minute < 15; minute++) {
      edge.clock.freeze(60_000);
      await edge.clock.advance(0);
      if (minute % 2 === 1) edge.socket.deliver({ t: "pong", serverTime: 0 });
    }
    expect(client.state.kind).toBe("ready");
    expect(edge.sockets).toHaveLength(1);
  });

  it("is given up when something else than the protocol comes over it", async () => {
    const edge = new FakeEdge();
    const client = await edge.ready();
    edge.socket.text("<html>");
    expect(client.state.kind).toBe("waiting");
  });
});
