import { expect, it } from "vitest";
import { ModelEdge } from "./testing/model-edge.ts";

const ROOM = "room:1";

function named(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}

// C-074
it("Messages written offline go out first, in order, and only when the session is ready", async () => {
  const model = new ModelEdge(40);
  const { edge } = model;
  model.isSilent = true;
  const settled: string[] = [];
  let isGreeted = false;
  const client = await edge.connect({
    onState: ({ kind }) => {
      if (kind !== "ready" || isGreeted) return;
      isGreeted = true;
      publish(["b1"]);
    },
  });
  const publish = (bodies: readonly string[]): void => {
    for (const body of bodies) {
      const note = (): void => void settled.push(body);
      void client.publish(ROOM, body, { key: body }).then(note);
    }
  };
  const [a, c] = [named("a", 50), named("c", 10)];
  publish(a);
  await edge.clock.advance(4_000);
  expect(edge.socket.messages).toEqual([]);
  model.isSilent = false;
  while (model.bodies(ROOM).length < 20) await edge.clock.advance(10);
  publish(c);
  await edge.clock.advance(10);
  model.cut();
  while (settled.length < 61) await edge.clock.advance(100);
  expect(model.bodies(ROOM)).toEqual([...a, "b1", ...c]);
  expect(settled).toEqual([...a, "b1", ...c]);
  // Nothing leaves on any connection before the server has spoken on it.
  expect(edge.sockets.length).toBeGreaterThan(2);
});
