import { waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import type { RawClient } from "../../services/edge/src/testing/raw-client.ts";
import { ProxiedFleet, edgeOf, isNginxThere } from "./proxied-fleet.ts";

const DRAIN_MS = 8_000;
const NEWCOMERS = 20;

let proxied: ProxiedFleet;

function isDraining(client: RawClient): boolean {
  return client.frames.some(({ t }) => t === "goaway");
}

describe.skipIf(!(await isNginxThere()))("an edge that drains behind a load balancer", () => {
  beforeEach(async () => {
    const env = { EDGE_DRAIN_MS: String(DRAIN_MS) };
    proxied = await ProxiedFleet.open({ brokers: inject("kafkaBrokers"), edges: 2, env });
  });

  afterEach(() => proxied.close());

  it("gets nobody, and nobody is refused: who was sent there comes to another one", async () => {
    const [first, second] = [await proxied.attempt("one"), await proxied.attempt("two")];
    expect(new Set([edgeOf(first), edgeOf(second)])).toEqual(new Set(["edge-1", "edge-2"]));
    const [edge] = proxied.fleet.edges.filter(({ id }) => id === edgeOf(first));
    const ended = edge?.terminate();
    await waitFor(() => isDraining(first), { what: "its clients are told to go" });
    // It has the fewest connections, so each of them is meant for it first.
    const newcomers = await Promise.all(
      Array.from({ length: NEWCOMERS }, (_, index) => proxied.attempt(`new-${index}`)),
    );
    expect(newcomers.map(({ refusal }) => refusal)).toEqual(newcomers.map(() => undefined));
    expect(new Set(newcomers.map(edgeOf))).toEqual(new Set([edgeOf(second)]));
    expect(await ended).toBe(0);
    // Some were turned away there first, or else nothing was shown.
    for (const client of newcomers) client.terminate();
    const isTold = (): boolean => /"edgeStatus":"503, 101"/.test(proxied.balancer().accessLog);
    await waitFor(isTold, { what: "a 503 that nobody saw" });
  });

  it("turns newcomers away with its own 503 when it is the last one", async () => {
    const guests = [await proxied.attempt("one"), await proxied.attempt("two")];
    const ended = proxied.fleet.edges.map((edge) => edge.terminate());
    await waitFor(() => guests.every(isDraining), { what: "all are told to go" });
    const late = await proxied.attempt("late");
    expect(late.refusal).toBe(503);
    expect(late.retryAfterS).toBeGreaterThan(0);
    await Promise.all(ended);
    // And the balancer speaks in their place when there is none.
    const later = await proxied.attempt("later");
    expect(later.refusal).toBe(503);
    expect(later.retryAfterS).toBeGreaterThan(0);
  });
});
