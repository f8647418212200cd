import { seededRandom } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { timesThere } from "../testing/mutant-modules.ts";
import { mutantsOf } from "../testing/mutants.ts";
import { type checkRelay as Check, checkRelay } from "../testing/relay-history.ts";
import { KEYS, RelayWorld } from "../testing/relay-world.ts";

const RUNS = process.env["MILLRACE_FULL"] === "1" ? 20_000 : 500;

/** The rarest of the mutants takes some hundred histories. */
const RUNS_OF_MUTANT = 2_000;

describe("edges that relay to each other", () => {
  it("hand on every record once and in order, whatever owners, network and processes do", async () => {
    const found = await checkRelay({ runs: RUNS, isShrunk: true });
    expect(fc.defaultReportMessage(found)).toBeUndefined();
  }, 3_600_000);

  it("leave the log to the owner once the relay is heard, and read it again when it is silent", async () => {
    const world = new RelayWorld({ clock: new FakeClock(), edges: 2, random: seededRandom(1) });
    const [owner, other] = world.edges;
    await world.start();
    owner?.own(true);
    other?.follow(KEYS[0] ?? "");
    await world.clock.advance(3_000);
    expect(other?.isDirect).toBe(false);
    expect(owner?.isDirect).toBe(true);
    world.append(KEYS[0] ?? "");
    await world.clock.advance(100);
    expect(world.offence({ atRest: true })).toBeUndefined();
    owner?.freeze();
    world.append(KEYS[0] ?? "");
    await world.clock.advance(1_500);
    expect(other?.isDirect).toBe(true);
    expect(other?.handed.get([...(other?.handed.keys() ?? [])][0] ?? 0)?.offsets).toHaveLength(2);
    owner?.thaw();
    await world.clock.advance(3_000);
    expect(other?.isDirect).toBe(false);
    expect(world.offence({ atRest: true })).toBeUndefined();
    await world.stop();
  });
});

describe("the same histories find out when", () => {
  it.each(mutantsOf("relay"))(
    "$name",
    async ({ number, ...mutant }) => {
      expect(timesThere(mutant)).toBe(1);
      const path = `../testing/relay-history.ts?mutant=${number}`;
      const module = (await import(path)) as { readonly checkRelay: typeof Check };
      const found = await module.checkRelay({ runs: RUNS_OF_MUTANT, isShrunk: false });
      expect(found.failed).toBe(true);
    },
    120_000,
  );
});
