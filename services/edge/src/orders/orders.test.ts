import type { EdgeId } from "@millrace/schemas";
import type { Order, OrderRecord } from "@millrace/schemas/record";
import { beforeEach, describe, expect, it } from "vitest";
import type { RuleOutcome } from "../rights/control-appender.ts";
import { OrderJournal } from "./order-journal.ts";
import { type OrderWord, Orders } from "./orders.ts";

const ONE = "edge-1" as EdgeId;
const TWO = "edge-2" as EdgeId;

let orders: Orders;
let changes: number;

beforeEach(() => {
  orders = new Orders({ weightsMax: 2 });
  changes = 0;
  orders.onChange(() => (changes += 1));
});

function ordered(order: Order, ruledAtMs = 1): OrderWord {
  const record: OrderRecord = { order, operator: "olga", ruledAtMs };
  return { subject: order, record };
}

function lifted(order: Order): OrderWord {
  return { subject: order, record: undefined };
}

function pin(partition: number, edge = ONE): Order {
  return { kind: "pin", partition, edge };
}

function weight(edge: string, value = 3): Order {
  return { kind: "weight", edge: edge as EdgeId, weight: value };
}

describe("the orders of an edge", () => {
  it("are each subject's last word, until it is lifted", () => {
    orders.take([
      ordered(pin(7)),
      ordered(weight(ONE)),
      ordered({ kind: "pause", partition: 7 }),
      ordered(pin(7, TWO)),
      ordered(pin(10)),
      ordered(pin(2)),
      lifted(pin(10)),
    ]);
    expect([...orders.pins]).toEqual([
      [7, TWO],
      [2, ONE],
    ]);
    expect([orders.weightOf(ONE), orders.weightOf(TWO), orders.isPaused(7)]).toEqual([
      3,
      undefined,
      true,
    ]);
    const origin = { operator: "olga", ruledAtMs: 1 };
    expect(orders.report()).toEqual({
      pins: [
        { partition: 2, edge: ONE, ...origin },
        { partition: 7, edge: TWO, ...origin },
      ],
      weights: [{ edge: ONE, weight: 3, ...origin }],
      pauses: [{ partition: 7, ...origin }],
    });
    orders.take([lifted({ kind: "pause", partition: 7 }), lifted(weight(ONE))]);
    expect([orders.weightOf(ONE), orders.isPaused(7)]).toEqual([undefined, false]);
  });

  it("are told of once, however many come together, and not where none came", () => {
    orders.take([ordered(pin(1)), ordered(pin(2)), lifted(pin(1))]);
    orders.take([]);
    expect(changes).toBe(1);
  });

  it("keep no more weights than fit, and every newer word about those that they keep", () => {
    orders.take([ordered(weight("a")), ordered(weight("b")), ordered(weight("c"))]);
    orders.take([ordered(weight("a", 9))]);
    expect([orders.weightOf("a"), orders.weightOf("b"), orders.weightOf("c")]).toEqual([
      9,
      3,
      undefined,
    ]);
    orders.take([lifted(weight("b")), ordered(weight("c"))]);
    expect(orders.weightOf("c")).toBe(3);
  });
});

it("A weight beyond the bound is refused by name, one that replaces another is not", async () => {
  const written: string[] = [];
  const append = async (key: Uint8Array): Promise<RuleOutcome> => {
    written.push(Buffer.from(key).toString());
    return { kind: "ruled" };
  };
  const journal = new OrderJournal({ appender: { append }, orders, limits: { weightsTaken: 1 } });
  orders.take([ordered(weight("a"))]);
  const outcomes = await Promise.all(
    [weight("b"), weight("a", 4), pin(3)].map((order) =>
      journal.order({ order, operator: "olga", ruledAtMs: 1 }),
    ),
  );
  expect(outcomes).toEqual([
    { kind: "refused", code: "unavailable", message: "1 weights hold already: lift some" },
    { kind: "ruled" },
    { kind: "ruled" },
  ]);
  expect(written).toEqual(["weight/a", "pin/3"]);
});
