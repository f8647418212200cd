import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type checkDelivery as Check, checkDelivery } from "../testing/delivery-history.ts";
import { timesThere } from "../testing/mutant-modules.ts";
import { mutantsOf } from "../testing/mutants.ts";

/** As many as a quick run has time for. */
const RUNS = process.env["MILLRACE_FULL"] === "1" ? 20_000 : 1_000;

/** The rarest of the mutants takes some hundred histories. */
const RUNS_OF_MUTANT = 2_000;

it("keeps every subscription unbroken through full sockets, breaks, retention, kills and resumes", async () => {
  const found = await checkDelivery({ runs: RUNS, isShrunk: true });
  expect(fc.defaultReportMessage(found)).toBeUndefined();
}, 3_600_000);

describe("the same histories find out when", () => {
  it.each(mutantsOf("delivery"))(
    "$name",
    async ({ number, ...mutant }) => {
      expect(timesThere(mutant)).toBe(1);
      const path = `../testing/delivery-history.ts?mutant=${number}`;
      const module = (await import(path)) as { readonly checkDelivery: typeof Check };
      const found = await module.checkDelivery({ runs: RUNS_OF_MUTANT, isShrunk: false });
      expect(found.failed).toBe(true);
    },
    120_000,
  );
});
