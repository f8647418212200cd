import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessUsage } from "@millrace/testkit";
import type { Served } from "../stage/bench-stage.ts";
import { spanBetween } from "../stage/process-meter.ts";
import { type Bench, type Scenario, type Variant, opened } from "./measured.ts";

const CONNECTIONS = 10_000;

/** Those of the first part pay for what an edge needs once: code that is compiled, a heap that grows. */
const FIRST_PART = 0.2;

/** Memory of the handshakes is given back meanwhile, as far as the runtime does so by itself. */
const SETTLE_S = { full: 15, quick: 4 } as const;
const WINDOW_S = { full: 20, quick: 4 } as const;

/**
 * Connections that say nothing. What one costs is the slope between the first part and all of
 * them, so that it does not depend on what the process needs without any.
 */
export function idle(
  name: string,
  serve: (bench: Bench, variant: Variant) => Promise<Served>,
): Scenario {
  return async (bench, variant) => {
    const { stage, isQuick, scale } = bench;
    const count = Math.ceil(CONNECTIONS * scale);
    const firstCount = Math.ceil(count * FIRST_PART);
    const served = await serve(bench, variant);
    const fleets = [await stage.fleet(), await stage.fleet()] as const;
    const place = { port: served.port, conversations: 0, subscribes: false };
    const [settleS, windowS] = isQuick
      ? [SETTLE_S.quick, WINDOW_S.quick]
      : [SETTLE_S.full, WINDOW_S.full];
    const usage = (): ProcessUsage | undefined => stage.meter.read().usage.get("edge");
    try {
      const none = usage();
      await opened(fleets[0], bench, { ...place, count: firstCount });
      await sleep(settleS * 1_000);
      const first = usage();
      const startMs = performance.now();
      await opened(fleets[1], bench, { ...place, count: count - firstCount, first: firstCount });
      const openS = (performance.now() - startMs) / 1_000;
      await sleep(settleS * 1_000);
      const before = stage.meter.read();
      await sleep(windowS * 1_000);
      const span = spanBetween(before, stage.meter.read());
      const resident = span.resident.get("edge") ?? 0;
      return {
        scenario: name,
        variant: variant.name,
        more: {
          connections: count,
          "resident bytes per connection":
            (resident - (first?.residentBytes ?? 0)) / (count - firstCount),
          "the same from none on": (resident - (none?.residentBytes ?? 0)) / count,
          "resident MB": resident / 1e6,
          "CPU % at rest": (span.cpu.get("edge") ?? 0) * 100,
          "handshakes/s": (count - firstCount) / openS,
        },
        notes: [],
      };
    } finally {
      await Promise.all(fleets.map((fleet) => fleet.end()));
      await served.kill();
    }
  };
}
