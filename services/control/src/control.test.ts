import { get } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SilenceView, StatusView } from "./api/views.ts";
import { LIMITS } from "./limits.ts";
import { ControlStage } from "./testing/control-stage.ts";
import { edgeReport } from "./testing/edge-reports.ts";
import { FakeEdge } from "./testing/fake-edge.ts";

/** Nobody listens there. */
const NO_BROKER = ["127.0.0.1:9"];

let stage: ControlStage;
let edge: FakeEdge;

beforeEach(async () => {
  stage = await ControlStage.open();
  const orders = { pins: new Map(), weights: new Map(), pauses: new Set<number>() };
  edge = await FakeEdge.start({ report: () => edgeReport("edge-1"), orders });
  stage.atEnd(() => edge.stop());
});

afterEach(() => stage.close());

describe("control without Kafka", () => {
  it("serves, shows the edges and says that Kafka is away", async () => {
    await stage.start({ edges: [edge.address], brokers: NO_BROKER });
    expect((await fetch(`${stage.url}/readyz`)).status).toBe(200);
    const status = await stage.get<StatusView>("/v1/status");
    expect(status.edges.map(({ id }) => id)).toEqual(["edge-1"]);
    expect(status.kafka.isUp).toBe(false);
    expect(status.problems[0]?.what).toContain("Kafka does not answer");
    const metrics = await (await fetch(`${stage.url}/metrics`)).text();
    expect(metrics).toMatch(/^millrace_control_kafka_up 0$/m);
  });

  it("names the edges that do not answer wherever they are missing", async () => {
    const away = "127.0.0.1:9";
    await stage.start({ edges: [edge.address, away], brokers: NO_BROKER });
    const silence = { unreachable: [{ address: away }], unasked: 0 };
    for (const path of ["/v1/status", "/v1/edges", "/v1/partitions"]) {
      expect(await stage.get<SilenceView>(path)).toMatchObject(silence);
    }
  });

  it("changes nothing, since it could not be audited, and can still say what would happen", async () => {
    await stage.start({ edges: [edge.address], brokers: NO_BROKER });
    for (const [method, path, body] of [
      ["PUT", "/v1/pauses/1", undefined],
      ["POST", "/v1/moves", { partition: 1, edge: "edge-1" }],
      ["PUT", "/v1/drains/edge-1", undefined],
    ] as const) {
      const { status, json } = await stage.call(method, path, { body });
      expect([path, status]).toEqual([path, 503]);
      expect(json["message"]).toContain("nothing was done");
    }
    expect((await stage.call("PUT", "/v1/pauses/1?dryRun=true")).status).toBe(200);
    expect(edge.asked.filter(({ method }) => method !== "GET")).toEqual([]);
  });
});

describe("the doors of control", () => {
  it("are open to operators' tokens alone", async () => {
    await stage.start({ edges: [edge.address], brokers: NO_BROKER });
    const nowS = Math.floor(Date.now() / 1_000);
    for (const [claims, status] of [
      [{ scope: "millrace:other" }, 403],
      [{ scope: undefined }, 403],
      [{ aud: "elsewhere" }, 403],
      [{ iss: "https://evil.test" }, 401],
      [{ exp: nowS - 60 }, 401],
      [{ exp: undefined }, 401],
    ] as const) {
      const token = await stage.issuer.token(claims);
      for (const path of ["/v1/status", "/v1/events", "/v1/audit", "/v1/entry"]) {
        const answer = await stage.call("GET", path, { token });
        expect([claims, path, answer.status]).toEqual([claims, path, status]);
      }
      expect((await stage.call("POST", "/v1/rebalance", { token })).status).toBe(status);
    }
    expect(edge.asked).toEqual([]);
    const bare = await fetch(`${stage.url}/v1/status`);
    expect([bare.status, bare.headers.get("www-authenticate")]).toEqual([
      401,
      'Bearer realm="millrace control"',
    ]);
  });

  it("send answers that are not stored, guessed at, framed or mixed with others", async () => {
    await stage.start({ edges: [edge.address], brokers: NO_BROKER });
    for (const path of ["/v1/entry", "/nothing", "/", "/page.js", "/healthz", "/readyz"]) {
      const { headers } = await fetch(`${stage.url}${path}`);
      expect(headers.get("cache-control")).toMatch(/^no-(store|cache)$/);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy).toContain("default-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
    }
    expect((await stage.call("GET", "/v1/entry")).headers.get("cache-control")).toBe("no-store");
  });

  it("let no name through that would lead to another call of an edge", async () => {
    await stage.start({ edges: [edge.address], brokers: NO_BROKER });
    const authorization = `Bearer ${await stage.issuer.token()}`;
    for (const name of ["%2e%2e", "%2e", ".."]) {
      // `fetch` would take the step itself.
      const path = `/v1/explain/clients/${name}`;
      const status = await new Promise((resolve, reject) => {
        const asking = get(stage.url, { path, headers: { authorization } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        asking.once("error", reject);
      });
      expect([name, status]).toEqual([name, 400]);
    }
    expect(edge.asked).toEqual([]);
  });

  it("take bodies up to their bound", async () => {
    await stage.start({ edges: [edge.address], brokers: NO_BROKER });
    const body = { partition: 1, edge: "x".repeat(LIMITS.bodyBytes) };
    const { status, json } = await stage.call("POST", "/v1/moves", { body });
    expect([status, json["code"]]).toEqual([413, "too-large"]);
  });
});
