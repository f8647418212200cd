import { Agent, request } from "node:https";
import type { Duplex } from "node:stream";
import { NginxServer, freePort, waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isNginxThere } from "./proxied-fleet.ts";
import { type Asked, StubEdge } from "./stub-edge.ts";

const SECRET = "c2VjcmV0LXRpY2tldA";
const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
  "sec-websocket-protocol": "millrace.v1.json",
};

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

interface Question {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

let edges: [StubEdge, StubEdge];
let balancer: NginxServer;
let agent: Agent;
/** Sockets of handshakes that an edge has taken. */
let taken: Duplex[] = [];

function all(): Asked[] {
  return edges.flatMap(({ asked }) => asked);
}

/** Both the same, so that it does not matter who is asked first. */
function bothAnswer(status: number, headers: Readonly<Record<string, string>> = {}): void {
  const body = `{"error":"of the edge"}`;
  for (const edge of edges) edge.behave = () => ({ kind: "answer", status, body, headers });
}

function bothTake(): void {
  for (const edge of edges) edge.behave = () => ({ kind: "take" });
}

function ask({ method = "GET", path, headers = {}, body }: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const place = { host: "127.0.0.1", port: balancer.port, agent };
    const asking = request({ ...place, method, path, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      const { statusCode: status = 0 } = response;
      response.once("end", () => resolve({ status, headers: response.headers, body: text }));
    });
    asking.once("error", reject);
    asking.once("upgrade", ({ statusCode: status = 0, headers: told }, socket) => {
      taken.push(socket);
      resolve({ status, headers: told, body: "" });
    });
    asking.end(body);
  });
}

function connect(query = ""): Promise<Answer> {
  return ask({ path: `/v1/connect${query}`, headers: UPGRADE });
}

/** Of so many handshakes at once. */
async function statuses(count: number): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => connect()));
  return answers.map(({ status }) => status);
}

async function open(
  trustedHops: readonly string[] = [],
  dead: readonly string[] = [],
): Promise<void> {
  const addresses = [...dead, ...edges.map(({ address }) => address)];
  balancer = await NginxServer.start({ edges: addresses, trustedHops });
  agent = new Agent({ ca: balancer.authority });
}

describe.skipIf(!(await isNginxThere()))("the load balancer", () => {
  beforeEach(async () => {
    edges = [await StubEdge.start(), await StubEdge.start()];
  });

  afterEach(async () => {
    for (const socket of taken) socket.destroy();
    taken = [];
    agent.destroy();
    await balancer.stop();
    await Promise.all(edges.map((edge) => edge.stop()));
  });

  it("never sends a publish to a second edge, and says that nobody knows of it", async () => {
    await open();
    for (const edge of edges) edge.behave = () => ({ kind: "die" });
    const path = "/v1/conversations/room%3A1/messages";
    const { status, headers, body } = await ask({ method: "POST", path, body: '{"body":"x"}' });
    expect(all()).toHaveLength(1);
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ error: "unavailable", unknown: true });
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  });

  it("passes an edge's own refusal of a publish on as it is", async () => {
    await open();
    bothAnswer(503, { "retry-after": "7" });
    const path = "/v1/conversations/room%3A1/messages";
    const answer = await ask({ method: "POST", path, body: "{}" });
    expect(all()).toHaveLength(1);
    expect(answer).toMatchObject({ status: 503, body: `{"error":"of the edge"}` });
    expect(answer.headers["retry-after"]).toBe("7");
  });

  it("asks another edge where one turns a handshake away, and passes on what the last one says", async () => {
    await open();
    bothAnswer(503, { "retry-after": "7" });
    const answer = await connect();
    expect(edges.map(({ asked }) => asked.length)).toEqual([1, 1]);
    expect(answer).toMatchObject({ status: 503, body: `{"error":"of the edge"}` });
    expect(answer.headers["retry-after"]).toBe("7");
  });

  it("finds the edge that takes newcomers, however many don't", async () => {
    const dead = await Promise.all(
      Array.from({ length: 8 }, async () => `127.0.0.1:${await freePort()}`),
    );
    await open([], dead);
    const [full, other] = edges;
    full.behave = () => ({ kind: "answer", status: 503 });
    other.behave = () => ({ kind: "take" });
    for (let time = 0; time < 12; time++) expect((await connect()).status).toBe(101);
  });

  it("takes everybody as soon as an edge does, whatever happened while the sockets of before lived", async () => {
    await open();
    bothTake();
    expect(await statuses(4)).toEqual(Array(4).fill(101));
    bothAnswer(503);
    expect(await statuses(12)).toEqual(Array(12).fill(503));
    bothTake();
    expect(await statuses(12)).toEqual(Array(12).fill(101));
    expect(taken.every(({ destroyed }) => !destroyed)).toBe(true);
  });

  it("does not take an attempt that a dying edge may have used for one that is replaced", async () => {
    await open();
    bothAnswer(409);
    expect(await connect("?session=s_1&attempt=1")).toMatchObject({ status: 409 });
    expect(all()).toHaveLength(1);
    // Whichever of them is asked first dies of it.
    let requests = 0;
    for (const edge of edges) {
      edge.asked.length = 0;
      edge.behave = () => (requests++ === 0 ? { kind: "die" } : { kind: "answer", status: 409 });
    }
    const answer = await connect("?session=s_1&attempt=1");
    expect(edges.map(({ asked }) => asked.length)).toEqual([1, 1]);
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ error: "unavailable" });
  });

  it("speaks as an edge does when there is none", async () => {
    await open();
    await Promise.all(edges.map((edge) => edge.stop()));
    for (const path of ["/v1/connect", "/v1/sessions", "/readyz"]) {
      const { status, headers, body } = await ask({ path });
      expect(status).toBe(503);
      expect(Number(headers["retry-after"])).toBeGreaterThan(0);
      expect(headers["content-type"]).toBe("application/json");
      expect(JSON.parse(body)).toMatchObject({ error: "unavailable" });
    }
    expect(await ask({ path: "/healthz" })).toMatchObject({ status: 200 });
  });

  it("writes no ticket and no token into any of its files, whatever goes wrong", async () => {
    await open();
    bothAnswer(503);
    await connect(`?ticket=${SECRET}`);
    bothAnswer(401);
    await connect(`?ticket=${SECRET}`);
    for (const edge of edges) edge.behave = () => ({ kind: "die" });
    await connect(`?ticket=${SECRET}`);
    await Promise.all(edges.map((edge) => edge.stop()));
    await connect(`?ticket=${SECRET}`);
    const headers = { authorization: `Bearer ${SECRET}` };
    await ask({ path: `/v1/sessions?token=${SECRET}`, headers });
    await ask({ path: `/v1/connect?ticket=${SECRET}${"x".repeat(20_000)}` });
    await ask({ path: `/v1/sessions?token=${SECRET}`, headers: { long: "x".repeat(20_000) } });
    const isLogged = (): boolean => balancer.accessLog.split("\n").length > 7;
    await waitFor(isLogged, { what: "a line for each" });
    expect(balancer.accessLog).toContain('"path":"/v1/connect"');
    expect(balancer.accessLog).not.toContain(SECRET);
    expect(balancer.output).not.toContain(SECRET);
    for (const line of balancer.accessLog.trim().split("\n")) JSON.parse(line);
  });

  it("believes nothing that a client says of its address", async () => {
    await open();
    const spoofed = "203.0.113.9";
    const headers = {
      "x-forwarded-for": spoofed,
      forwarded: `for=${spoofed}`,
      "x-real-ip": spoofed,
    };
    await ask({ path: "/v1/connect", headers });
    const [asked] = all();
    expect(asked?.headers["x-forwarded-for"]).toBe("127.0.0.1");
    expect(JSON.stringify(asked?.headers)).not.toContain(spoofed);
  });

  it("believes the hops that it was told of, and nothing that stands before them", async () => {
    await open(["127.0.0.1", "10.0.0.0/8"]);
    const headers = { "x-forwarded-for": "198.51.100.1, 203.0.113.9, 10.1.2.3" };
    await ask({ path: "/v1/connect", headers });
    expect(all()[0]?.headers["x-forwarded-for"]).toBe("203.0.113.9");
    await waitFor(() => balancer.accessLog.includes('"client":"203.0.113.9"'), {
      what: "the log names the client",
    });
  });

  it("lets 8 KiB of head through in one field, and refuses what no edge would take", async () => {
    await open();
    const token = "x".repeat(8_000);
    await ask({ path: "/v1/connect", headers: { authorization: `Bearer ${token}` } });
    expect(all()[0]?.headers.authorization).toBe(`Bearer ${token}`);
    const headers = { authorization: `Bearer ${"x".repeat(17_000)}` };
    expect(await ask({ path: "/v1/connect", headers })).toMatchObject({ status: 431 });
  });
});
