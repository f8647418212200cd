import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { RawClient } from "./raw-client.ts";
import { TestIssuer } from "./test-issuer.ts";

const LONGEST_TEST_MS = 15 * 60_000;

let server: WebSocketServer;
let client: RawClient;

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    socket.send(JSON.stringify({ t: "welcome" }));
    socket.on("message", () => {
      socket.send(JSON.stringify({ t: "pubd", id: 1 }));
      socket.close(4451);
    });
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  client = await RawClient.open({ url: `ws://127.0.0.1:${port}`, token: "any" });
});

afterEach(() => {
  client.terminate();
  server.close();
});

describe("a client of the tests", () => {
  it("says that the server has closed, instead of waiting for an answer that can't come", async () => {
    expect((await client.request({ t: "pub" })).t).toBe("pubd");
    const unanswered = client.request({ t: "pub" });
    await expect(unanswered).rejects.toThrow("closed with 4451 before the answer to request 2");
    expect((await client.next(({ t }) => t === "pubd", "what has come")).id).toBe(1);
  });

  it("has a token that outlives every test", async () => {
    const issuer = await TestIssuer.start();
    const [, payload = ""] = (await issuer.token()).split(".");
    await issuer.stop();
    const { exp } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { exp: number };
    expect(exp * 1_000).toBeGreaterThan(Date.now() + LONGEST_TEST_MS);
  });
});
