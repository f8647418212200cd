import { expect, it } from "vitest";
import { TRACEPARENT_BYTES, traceparentIn, traceparentOf } from "./traceparent.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const GOOD = `00-${TRACE}-${SPAN}-01`;

it("A trace context is taken in its one spelling", () => {
  expect(GOOD).toHaveLength(TRACEPARENT_BYTES);
  expect(traceparentIn(GOOD)).toBe(GOOD);
  expect(traceparentIn(`00-${TRACE}-${SPAN}-00`)).toBeDefined();
  expect(traceparentOf([{ name: "traceparent", value: Buffer.from(GOOD) }])).toBe(GOOD);
});

it.each([
  ["nothing", ""],
  ["another version", `01-${TRACE}-${SPAN}-01`],
  ["more than it needs", `${GOOD}-what-else`],
  ["ten thousand characters", GOOD.padEnd(10_000, "0")],
  ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
  ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["capitals", GOOD.toUpperCase()],
  ["a line break", `00-${TRACE}-${SPAN}-0\n`],
  ["other letters", `00-${TRACE.replace("4", "g")}-${SPAN}-01`],
])("A trace context with %s is none", (_, text) => {
  expect(traceparentIn(text)).toBeUndefined();
  expect(traceparentOf([{ name: "traceparent", value: Buffer.from(text) }])).toBeUndefined();
});
