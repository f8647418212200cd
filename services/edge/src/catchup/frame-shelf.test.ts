import type { LogRecord } from "@millrace/log";
import type { EpochId } from "@millrace/schemas";
import { encodeMessage } from "@millrace/schemas/record";
import { describe, expect, it } from "vitest";
import { foreignMessage } from "../testing/foreign-message.ts";
import { FrameShelf } from "./frame-shelf.ts";

const PLACE = { epoch: "e" as EpochId, partition: 0, conversation: "room:1" };

function record(offset: bigint, content: string): LogRecord {
  const value = encodeMessage(foreignMessage(PLACE.conversation, content));
  return { offset, timestampMs: 1, key: Buffer.from(PLACE.conversation), value, headers: [] };
}

function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

describe("frames that replays share", () => {
  it("are made once for all who have the same prev, and anew for whoever has another", () => {
    const shelf = new FrameShelf(100_000);
    const one = record(7n, "hello");
    const first = shelf.of(one, PLACE)?.encode("e.0.7");
    expect(shelf.of(one, PLACE)?.encode("e.0.7")).toBe(first);
    expect(JSON.parse(textOf(first))).toMatchObject({ pos: "e.0.8", prev: "e.0.7", body: "hello" });
    const other = shelf.of(one, PLACE)?.encode("e.0.3");
    expect(JSON.parse(textOf(other))).toMatchObject({ pos: "e.0.8", prev: "e.0.3", body: "hello" });
    expect(textOf(first)).toContain('"prev":"e.0.7"');
  });

  it("belong to the record and not to its place: a log that lost its end gives places again", () => {
    const shelf = new FrameShelf(100_000);
    shelf.of(record(7n, "lost"), PLACE)?.encode("e.0.7");
    const frame = shelf.of(record(7n, "anew"), PLACE)?.encode("e.0.7");
    expect(JSON.parse(textOf(frame))).toMatchObject({ body: "anew" });
  });

  it("are never more than the bound, and whoever was used last stays", () => {
    const shelf = new FrameShelf(10_000);
    const records = Array.from({ length: 100 }, (_, at) => record(BigInt(at), `body ${at}`));
    const [kept = record(0n, "")] = records;
    const first = shelf.of(kept, PLACE)?.encode("e.0.0");
    for (const one of records) {
      shelf.of(one, PLACE)?.encode("e.0.0");
      expect(shelf.of(kept, PLACE)?.encode("e.0.0")).toBe(first);
      expect(shelf.bytes).toBeLessThanOrEqual(10_000);
    }
  });

  it("are none of what nobody can read", () => {
    const bad = { ...record(1n, ""), value: Buffer.from("no message") };
    expect(new FrameShelf(1_000).of(bad, PLACE)).toBeUndefined();
  });
});
