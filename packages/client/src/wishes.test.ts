import { expect, it } from "vitest";
import type { Client } from "./client.ts";
import type { Subscription } from "./subscription.ts";
import { ModelEdge } from "./testing/model-edge.ts";
import { seededRandom } from "./testing/seeded-random.ts";

const SEQUENCES = 1_000;
const CONVERSATIONS = Array.from({ length: 5 }, (_, index) => `room:${index}`);
const LATENCY_MS = 300;
const STEPS_MAX = 12;
const CUT_CHANCE = 0.15;

/** One application that changes its mind. */
class Wishes {
  readonly held = new Map<string, Subscription>();
  readonly seen: string[] = [];
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  change(conversation: string): void {
    const held = this.held.get(conversation);
    if (held === undefined) this.#subscribe(conversation);
    else {
      held.unsubscribe();
      this.held.delete(conversation);
    }
  }

  #subscribe(c: string): void {
    const subscription = this.#client.subscribe(c, {
      onMessage: ({ body }) => void this.seen.push(`${c} ${body}`),
    });
    this.held.set(c, subscription);
  }
}

// C-079
it("The last wish wins: the server holds exactly the subscriptions the client wants", async () => {
  for (let seed = 1; seed <= SEQUENCES; seed++) {
    const random = seededRandom(seed);
    const model = new ModelEdge(LATENCY_MS);
    const client = await model.edge.connect();
    const wishes = new Wishes(client);
    const steps = 1 + Math.floor(random() * STEPS_MAX);
    for (let step = 0; step < steps; step++) {
      wishes.change(CONVERSATIONS[Math.floor(random() * CONVERSATIONS.length)] ?? "");
      if (random() < 0.7) await model.edge.clock.advance(Math.floor(random() * 2 * LATENCY_MS));
      if (random() < CUT_CHANCE) model.cut();
    }
    await model.edge.clock.advance(20_000);
    const wanted = [...wishes.held.keys()].toSorted();
    expect([seed, model.subscriptions]).toEqual([seed, wanted]);
    for (const c of CONVERSATIONS) model.append(c, "last");
    await model.edge.clock.advance(LATENCY_MS);
    expect([seed, wishes.seen.toSorted()]).toEqual([seed, wanted.map((c) => `${c} last`)]);
    client.close();
  }
});
