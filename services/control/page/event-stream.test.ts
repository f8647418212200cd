import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventStreamReader, type StreamEvent } from "./event-stream.ts";

describe("the reader of the live page's stream", () => {
  it("gives the same events in whatever parts the text comes", () => {
    const events: StreamEvent[] = [
      { event: "status", data: '{"a":1}' },
      { event: "message", data: "one\ntwo" },
      { event: "audit", data: "{}" },
    ];
    const text =
      'event: status\ndata: {"a":1}\n\n: still here\n\ndata: one\ndata: two\n\nevent:audit\ndata:{}\n\n';
    fc.assert(
      fc.property(fc.array(fc.nat({ max: text.length })), (cuts) => {
        const reader = new EventStreamReader();
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const parts = places.slice(1).map((end, index) => text.slice(places[index], end));
        expect(parts.flatMap((part) => reader.take(part))).toEqual(events);
      }),
    );
  });

  it("gives nothing of an event that has not ended", () => {
    const reader = new EventStreamReader();
    expect(reader.take("event: status\ndata: {")).toEqual([]);
    expect(reader.take("}\n\n")).toEqual([{ event: "status", data: "{}" }]);
  });

  it("refuses one that never ends", () => {
    const reader = new EventStreamReader();
    expect(() => reader.take(`data: ${"x".repeat(8_000_001)}`)).toThrow("has no end");
  });
});
