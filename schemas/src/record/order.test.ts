import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEdgeId, type EdgeId } from "../edge-id.ts";
import type { UserId } from "../conversation.ts";
import { controlRecordKey, decodeControl, encodeControl } from "./control.ts";
import {
  type Order,
  type OrderRecord,
  ORDER_PARTITIONS_MAX,
  encodeOrder,
  orderRecordKey,
} from "./order.ts";
import { CONTROL_VERSIONS } from "./schema-index.ts";
import { WireFormat } from "./wire-format.ts";

const EDGE = "edge-1" as EdgeId;
const PIN: Order = { kind: "pin", partition: 7, edge: EDGE };
const PAUSE: Order = { kind: "pause", partition: 7 };
const WEIGHT: Order = { kind: "weight", edge: EDGE, weight: 3 };

const edge = fc.string({ unit: "grapheme", minLength: 1 }).filter((id) => !!parseEdgeId(id));
const partition = fc.nat(ORDER_PARTITIONS_MAX - 1);
const order: fc.Arbitrary<Order> = fc
  .record({
    kind: fc.constantFrom("pin", "pause", "weight"),
    edge,
    partition,
    weight: fc.nat(1_000),
  })
  .map(({ kind, weight, ...names }): Order => {
    const place = { partition: names.partition };
    const id = names.edge as EdgeId;
    if (kind === "pin") return { kind, ...place, edge: id };
    return kind === "pause" ? { kind, ...place } : { kind: "weight", edge: id, weight };
  });

function recordOf(of: Order): OrderRecord {
  return { order: of, operator: "olga", ruledAtMs: 1_764_038_400_123 };
}

describe("the record of an order", () => {
  it("is read as it was written, and lifted under its key", () => {
    fc.assert(
      fc.property(order, (of) => {
        const record = recordOf(of);
        const key = orderRecordKey(of);
        expect(decodeControl(key, encodeOrder(record))).toEqual({ kind: "ordered", record });
        const lifted = decodeControl(key, null);
        expect(lifted.kind).toBe("withdrawn");
        if (lifted.kind !== "withdrawn") return;
        expect(Buffer.from(orderRecordKey(lifted.subject)).equals(key)).toBe(true);
      }),
    );
  });

  it("counts only where key and value name one subject", () => {
    const ban = { kind: "ban", user: "7" as UserId } as const;
    const banned = encodeControl({ ruling: ban, operator: "olga", ruledAtMs: 1 });
    for (const [key, value] of [
      [orderRecordKey(PIN), encodeOrder(recordOf(PAUSE))],
      [orderRecordKey(PAUSE), encodeOrder(recordOf(PIN))],
      [orderRecordKey(PIN), encodeOrder(recordOf({ ...PIN, partition: 8 }))],
      [orderRecordKey(WEIGHT), encodeOrder(recordOf({ ...WEIGHT, edge: "edge-2" as EdgeId }))],
      [orderRecordKey(WEIGHT), encodeOrder(recordOf({ ...WEIGHT, weight: 1_001 }))],
      [orderRecordKey(PIN), banned],
      [controlRecordKey(ban), encodeOrder(recordOf(PIN))],
    ] as const) {
      expect(decodeControl(key, value).kind).toBe("undecodable");
    }
  });

  it.each([
    "pin/07",
    "pin/-1",
    "pin/7/8",
    "pin/10000",
    "pin/",
    "pause/x",
    "weight/",
    "weight/a%62",
  ])("lifts nothing under %s", (key) => {
    expect(decodeControl(Buffer.from(key), null).kind).toBe("undecodable");
  });

  it("is stepped over by a build that knows rulings alone, which goes on reading those of this one", () => {
    const earlier = new WireFormat(CONTROL_VERSIONS.slice(0, 1));
    expect(earlier.decode(encodeOrder(recordOf(PIN))).kind).toBe("undecodable");
    const ruling = { kind: "ban", user: "alice" as UserId } as const;
    const value = encodeControl({ ruling, operator: "olga", ruledAtMs: 1 });
    expect(earlier.decode(value).kind).toBe("fields");
  });
});
