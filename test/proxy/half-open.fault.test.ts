import { TcpProxy, waitFor } from "@millrace/testkit";
import { connect } from "@millrace/client/node";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { metricOf } from "../../services/edge/src/testing/metric-of.ts";
import { ProxiedFleet, isNginxThere } from "./proxied-fleet.ts";

const ROOM = "room:half-open";
const PING_MS = 500;

let proxied: ProxiedFleet;
let link: TcpProxy;

describe.skipIf(!(await isNginxThere()))("a line that is dead between client and balancer", () => {
  beforeEach(async () => {
    const env = { EDGE_PING_MS: String(PING_MS) };
    proxied = await ProxiedFleet.open({ brokers: inject("kafkaBrokers"), edges: 1, env });
    link = await TcpProxy.start({ targetPort: proxied.balancer().port });
  });

  afterEach(async () => {
    await link.close();
    await proxied.close();
  });

  it("is ended by the edge's own pings, because the balancer answers none of them", async () => {
    const edge = proxied.fleet.edge(0);
    const url = `wss://127.0.0.1:${link.port}/v1/connect`;
    const client = await proxied.attempt("gone", { url });
    const closed = 'millrace_closes_total{code="4458"}';
    expect(await metricOf(edge, "millrace_connections")).toBe(1);
    link.inspect(() => "swallow");
    await waitFor(async () => (await metricOf(edge, closed)) === 1, { what: "the edge gives up" });
    expect(await metricOf(edge, "millrace_connections")).toBe(0);
    expect(client.frames).toHaveLength(1);
    const isOver = (): boolean => proxied.balancer().accessLog.includes('"path":"/v1/connect"');
    await waitFor(isOver, { what: "the balancer has let go of it, too" });
  });

  it("is noticed by the SDK, which connects again and has missed nothing", async () => {
    const heard: string[] = [];
    const states: string[] = [];
    const client = connect({
      url: `wss://127.0.0.1:${link.port}/v1/connect`,
      ca: proxied.balancer().authority,
      token: () => proxied.fleet.stage.issuer.token({ sub: "reader" }),
      onState: ({ kind }) => states.push(kind),
    });
    const reading = client.subscribe(ROOM, { onMessage: ({ body }) => void heard.push(body) });
    await waitFor(() => reading.isLive, { what: "the reader is live" });
    const writer = await proxied.attempt("writer");
    await writer.request({ t: "pub", c: ROOM, body: "m0" });
    await waitFor(() => heard.length === 1, { what: "the first message" });
    const { accepted } = link;
    // Only of the connections until now: a new one gets through.
    link.inspect((_, __, connection) => (connection < accepted ? "swallow" : "pass"));
    await writer.request({ t: "pub", c: ROOM, body: "m1" });
    await waitFor(() => heard.length === 2, { what: "what was said meanwhile" });
    await writer.request({ t: "pub", c: ROOM, body: "m2" });
    await waitFor(() => heard.length === 3, { what: "what is said from then on" });
    expect(heard).toEqual(["m0", "m1", "m2"]);
    expect(states).toEqual(["connecting", "ready", "waiting", "connecting", "ready"]);
    client.close();
  });
});
