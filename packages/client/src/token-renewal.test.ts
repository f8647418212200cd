import { describe, expect, it } from "vitest";
import { FakeEdge } from "./testing/fake-edge.ts";

/** A client whose token callback counts, and fails while `isDown`. */
async function renewing() {
  const edge = new FakeEdge();
  const issuer = { asked: 0, isDown: false };
  const client = await edge.ready({
    token: () => {
      issuer.asked += 1;
      if (issuer.isDown) return Promise.reject(new Error("down"));
      return Promise.resolve(`token-${issuer.asked}`);
    },
  });
  return { edge, client, issuer };
}

function answerAuth(edge: FakeEdge, tokenExpiresInMs = 60_000): void {
  const id = edge.socket.framesOf("auth").at(-1)?.id ?? -1;
  edge.socket.deliver({ t: "authd", id, tokenExpiresInMs });
}

describe("a token that comes to its end", () => {
  it("is replaced on the same connection, each time the server warns", async () => {
    const { edge, client } = await renewing();
    for (let round = 1; round <= 3; round++) {
      edge.socket.deliver({ t: "expiring", inMs: 60_000 });
      await edge.clock.advance(15_000);
      expect(edge.socket.framesOf("auth")).toHaveLength(round);
      expect(edge.socket.framesOf("auth").at(-1)).toMatchObject({ token: `token-${round + 1}` });
      answerAuth(edge);
      // Something is heard in between, so that the line is no subject here.
      edge.socket.deliver({ t: "pong", serverTime: 0 });
      await edge.clock.advance(20_000);
    }
    expect(edge.sockets).toHaveLength(1);
    expect(client.state.kind).toBe("ready");
  });

  it("is asked for again and again while there is none, and while it is refused", async () => {
    const { edge, issuer } = await renewing();
    issuer.isDown = true;
    edge.socket.deliver({ t: "expiring", inMs: 60_000 });
    await edge.clock.advance(20_000);
    expect(issuer.asked).toBeGreaterThan(3);
    expect(edge.socket.framesOf("auth")).toEqual([]);
    issuer.isDown = false;
    await edge.clock.advance(10_000);
    const [auth] = edge.socket.framesOf("auth");
    expect(auth).toBeDefined();
    const refusal = { t: "err", id: auth?.id ?? -1, code: "bad-token", message: "" } as const;
    edge.socket.deliver(refusal);
    await edge.clock.advance(9_000);
    expect(edge.socket.framesOf("auth")).toHaveLength(2);
    answerAuth(edge);
    const { asked } = issuer;
    await edge.clock.advance(5_000);
    expect(issuer.asked).toBe(asked);
  });

  it("is not asked for in a loop when it lives for a moment only", async () => {
    const { edge, issuer } = await renewing();
    for (let second = 0; second < 10; second++) {
      edge.socket.deliver({ t: "expiring", inMs: 0 });
      await edge.clock.advance(1_000);
      answerAuth(edge, 0);
    }
    expect(issuer.asked).toBeLessThanOrEqual(11);
  });

  it("of an earlier connection is nobody's concern any more", async () => {
    const { edge, issuer } = await renewing();
    edge.socket.deliver({ t: "expiring", inMs: 60_000 });
    await edge.cut();
    const { asked } = issuer;
    await edge.clock.advance(24_000);
    expect(issuer.asked).toBe(asked);
    expect(edge.socket.framesOf("auth")).toEqual([]);
  });

  it("is not asked for after the client was closed", async () => {
    const { edge, client, issuer } = await renewing();
    edge.socket.deliver({ t: "expiring", inMs: 60_000 });
    client.close();
    const { asked } = issuer;
    await edge.clock.advance(60_000);
    expect(issuer.asked).toBe(asked);
  });
});
