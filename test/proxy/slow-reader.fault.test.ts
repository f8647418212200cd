import { waitFor } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { bodiesFrom, publish, subscribe } from "../../services/edge/src/testing/edge-stage.ts";
import { metricOf } from "../../services/edge/src/testing/metric-of.ts";
import { printMeasured } from "../../services/edge/src/testing/measured.ts";
import { ProxiedFleet, isNginxThere } from "./proxied-fleet.ts";

const ROOM = "room:slow";
const BODY_BYTES = 16_000;
const AT_ONCE = 64;

/** What the buffers of a line may hold altogether: the kernel's on three sockets, and some of ours. */
const HELD_BYTES_MAX = 24_000_000;

let proxied: ProxiedFleet;

describe.skipIf(!(await isNginxThere()))(
  "a reader that stops to read behind a load balancer",
  () => {
    beforeEach(async () => {
      proxied = await ProxiedFleet.open({ brokers: inject("kafkaBrokers"), edges: 1 });
    });

    afterEach(() => proxied.close());

    it("is soon fed from the log instead of from buffers, delays nobody and loses nothing", async () => {
      const edge = proxied.fleet.edge(0);
      const slow = await proxied.attempt("slow");
      const quick = await proxied.attempt("quick");
      const writer = await proxied.attempt("writer");
      for (const reader of [slow, quick]) await subscribe(reader, ROOM, "live");
      slow.pause();
      const bodies: string[] = [];
      const isLagging = async (): Promise<boolean> =>
        (await metricOf(edge, "millrace_lagging")) === 1;
      // The balancer takes what the kernel takes on its other side, and no more: it must end.
      while (!(await isLagging())) {
        const more = bodiesFrom(bodies.length, bodies.length + AT_ONCE);
        const padded = more.map((body) => body.padEnd(BODY_BYTES, "."));
        await publish(writer, ROOM, padded, { isKeyed: false });
        bodies.push(...padded);
        expect(bodies.length * BODY_BYTES).toBeLessThan(HELD_BYTES_MAX);
      }
      const heldMb = Math.round((bodies.length * BODY_BYTES) / 1e6);
      await waitFor(() => quick.messages(ROOM).length === bodies.length, { what: "the quick one" });
      const rest = bodiesFrom(bodies.length, bodies.length + AT_ONCE);
      await publish(writer, ROOM, rest, { isKeyed: false });
      slow.resume();
      const all = [...bodies, ...rest];
      await waitFor(() => slow.messages(ROOM).length === all.length, { what: "the slow one" });
      expect(slow.bodies(ROOM)).toEqual(all);
      expect(slow.offence).toBeUndefined();
      printMeasured({ heldMb });
    });
  },
);
