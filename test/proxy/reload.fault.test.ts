import { waitFor } from "@millrace/testkit";
import { afterEach, describe, expect, inject, it } from "vitest";
import { ProxiedFleet, edgeOf, isNginxThere } from "./proxied-fleet.ts";

const COUNT = 40;
const EVERY_MS = 250;
const SHUTDOWN_S = 6;

let proxied: ProxiedFleet;

describe.skipIf(!(await isNginxThere()))("a load balancer", () => {
  afterEach(() => proxied.close());

  it("reloads under load without touching a connection, until its old workers must end", async () => {
    const brokers = inject("kafkaBrokers");
    proxied = await ProxiedFleet.open({ brokers, edges: 2, shutdownS: SHUTDOWN_S });
    const crowd = await proxied.crowd({ count: COUNT, everyMs: EVERY_MS });
    await crowd.whenHeard(5);
    const balancer = proxied.balancer();
    const old = balancer.workers;
    await proxied.fleet.spawn(2);
    const atMs = performance.now();
    await balancer.reload(proxied.addresses);
    await crowd.whenHeard(5);
    // Whoever comes now is another worker's, which knows the third edge.
    const newcomers = [await proxied.attempt("new-1"), await proxied.attempt("new-2")];
    newcomers.push(await proxied.attempt("new-3"));
    expect(new Set(newcomers.map(edgeOf))).toEqual(new Set(["edge-1", "edge-2", "edge-3"]));
    // A machine that is too busy to look in time can't tell.
    const isInTime = performance.now() - atMs < SHUTDOWN_S * 1_000;
    expect(isInTime ? Math.max(...crowd.reconnects) : 0).toBe(0);
    await waitFor(() => !balancer.workers.some((pid) => old.includes(pid)), {
      what: "the old workers are gone",
    });
    await waitFor(() => Math.min(...crowd.reconnects) === 1, { what: "everybody is back" });
    await crowd.whenLive();
    await crowd.whenHeard(5);
    expect(await proxied.offences(brokers)).toEqual([]);
    expect(newcomers.map(({ closeCode }) => closeCode)).toEqual([undefined, undefined, undefined]);
  });

  it("may be killed: its clients wait for it, and lose nothing", async () => {
    const brokers = inject("kafkaBrokers");
    proxied = await ProxiedFleet.open({ brokers, edges: 2 });
    const crowd = await proxied.crowd({ count: COUNT, everyMs: EVERY_MS });
    await crowd.whenHeard(5);
    await proxied.balancer().kill();
    await waitFor(() => crowd.roamers.every(({ client }) => client.state.kind !== "ready"), {
      what: "everybody has lost the line",
    });
    await proxied.balancer().restart();
    await crowd.whenLive();
    await crowd.whenHeard(5);
    expect(await proxied.offences(brokers)).toEqual([]);
  });

  it("has a second one beside it, to which all of its clients go when it is killed", async () => {
    const brokers = inject("kafkaBrokers");
    proxied = await ProxiedFleet.open({ brokers, edges: 2, balancers: 2 });
    // Each begins at the first one.
    const crowd = await proxied.crowd({ count: COUNT, everyMs: EVERY_MS });
    await crowd.whenHeard(5);
    await proxied.balancer(0).kill();
    await waitFor(() => Math.min(...crowd.reconnects) >= 1, {
      what: "everybody was welcomed again",
    });
    await crowd.whenLive();
    await crowd.whenHeard(10);
    expect(await proxied.offences(brokers)).toEqual([]);
    expect(crowd.roamers.every(({ client }) => client.state.kind === "ready")).toBe(true);
  });
});
