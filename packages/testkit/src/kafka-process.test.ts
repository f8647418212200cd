import { expect, it } from "vitest";
import { newClusterId } from "./kafka-process.ts";

it("makes no cluster id that Kafka's tools would take for an option", () => {
  const draws = [Buffer.alloc(16, 0xfb), Buffer.alloc(16, 1)];
  expect(draws[0]?.toString("base64url").startsWith("-")).toBe(true);
  expect(newClusterId(() => draws.shift() ?? Buffer.alloc(0))).toBe("AQEBAQEBAQEBAQEBAQEBAQ");
});
