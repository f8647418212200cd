import { waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { publish, subscribe, whenHas } from "../../services/edge/src/testing/edge-stage.ts";
import { ProxiedFleet, edgeOf, isNginxThere } from "./proxied-fleet.ts";

const ROOM = "room:through-the-balancer";
const BODY_BYTES = 16_384;

let proxied: ProxiedFleet;

describe.skipIf(!(await isNginxThere()))("through the load balancer", () => {
  beforeEach(async () => {
    proxied = await ProxiedFleet.open({ brokers: inject("kafkaBrokers"), edges: 2 });
  });

  afterEach(() => proxied.close());

  it("Who loses an edge goes on at another one where he was, by the same address", async () => {
    const reader = await proxied.attempt("reader");
    const writer = await proxied.attempt("writer");
    await subscribe(reader, ROOM, "live");
    await publish(writer, ROOM, ["m0", "m1"]);
    await whenHas(reader, ROOM, ["m0", "m1"]);
    const session = reader.frames[0]?.session ?? "";
    const first = proxied.fleet.edges.find(({ id }) => id === edgeOf(reader));
    await first?.kill();
    await waitFor(() => reader.closeCode === 1006, { what: "the line is lost" });
    const other = edgeOf(writer) === first?.id ? await proxied.attempt("writer") : writer;
    await publish(other, ROOM, ["m2", "m3"]);
    // The dead edge has the fewest connections, and is tried first.
    const again = await proxied.attempt("reader", { query: { session, attempt: "1" } });
    expect(edgeOf(again)).not.toBe(first?.id);
    expect(again.frames[0]).toMatchObject({ t: "welcome", session, resumed: true });
    await subscribe(again, ROOM, { after: reader.position(ROOM) });
    await whenHas(again, ROOM, ["m2", "m3"]);
  });

  it("An edge killed under load costs its clients one reconnect and nobody a message", async () => {
    const crowd = await proxied.crowd({ count: 40, everyMs: 250 });
    await crowd.whenHeard(5);
    await proxied.fleet.edge(0).kill();
    await crowd.whenHeard(20);
    await crowd.whenLive();
    await proxied.fleet.spawn(0);
    await crowd.whenHeard(5);
    expect(await proxied.offences(inject("kafkaBrokers"))).toEqual([]);
    // Both had about half of them, and who was on the other edge has noticed nothing.
    const moved = crowd.reconnects.filter((count) => count > 0).length;
    expect(moved).toBeGreaterThan(10);
    expect(moved).toBeLessThan(30);
    expect(Math.max(...crowd.reconnects)).toBe(1);
  });

  it("Messages as large as an edge takes pass whole, also a hundred kilobytes at once", async () => {
    const [reader, writer] = [await proxied.attempt("reader"), await proxied.attempt("writer")];
    await subscribe(reader, ROOM, "live");
    const bodies = Array.from("abcdef", (letter) => letter.repeat(BODY_BYTES));
    writer.send(bodies.map((body, id) => ({ t: "pub", id: 1_000 + id, c: ROOM, body })));
    await whenHas(reader, ROOM, bodies);
    const late = await proxied.attempt("late");
    await subscribe(late, ROOM, "earliest");
    await whenHas(late, ROOM, bodies);
  });
});
