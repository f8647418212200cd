import { describe, expect, it } from "vitest";
import type { Client } from "./client.ts";
import { ModelEdge } from "./testing/model-edge.ts";
import { isBehind } from "./positions.ts";

const ROOM = "room:1";
const MESSAGES = Array.from({ length: 100 }, (_, index) => `m${index + 1}`);
const HANDLER_MS = 50;

async function recovering() {
  const model = new ModelEdge(20);
  for (const body of MESSAGES) model.append(ROOM, body);
  const client = await model.edge.connect();
  await model.edge.clock.advance(100);
  return { model, client, ...slowly(model, client) };
}

/** A handler that takes its time, and notes where the stored position stood at its begin. */
function slowly(model: ModelEdge, client: Client) {
  const seen: string[] = [];
  const positions: string[] = [];
  const subscription = client.subscribe(ROOM, {
    from: { after: "AAAAAAAA.0.0" },
    onMessage: ({ body }, { position }) => {
      seen.push(body);
      positions.push(position ?? "");
      return new Promise<void>((resolve) => {
        model.edge.clock.after(HANDLER_MS, resolve);
      });
    },
  });
  const whenSeen = async (count: number): Promise<void> => {
    while (seen.length < count) await model.edge.clock.advance(10);
  };
  return { seen, positions, subscription, whenSeen };
}

describe("a line that was replaced", () => {
  // C-077
  it("Nothing from an earlier connection is delivered after its successor took over", async () => {
    const { model, seen, positions, whenSeen } = await recovering();
    for (const count of [20, 40, 60]) {
      await whenSeen(count);
      model.cut();
    }
    await whenSeen(100);
    await model.edge.clock.advance(60_000);
    expect(seen).toEqual(MESSAGES);
    expect(model.edge.sockets).toHaveLength(4);
    for (const [index, position] of positions.entries()) {
      expect(isBehind(positions[index - 1] ?? position, position)).not.toBe(true);
    }
  });

  it("hands over nothing after unsubscribe has returned, on no connection", async () => {
    const { model, seen, subscription, whenSeen } = await recovering();
    await whenSeen(20);
    model.cut();
    await model.edge.clock.advance(30);
    const count = seen.length;
    subscription.unsubscribe();
    await model.edge.clock.advance(60_000);
    expect(seen).toEqual(MESSAGES.slice(0, count));
    expect(model.subscriptions).toEqual([]);
  });
});
