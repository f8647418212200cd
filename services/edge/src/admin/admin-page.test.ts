import { type LogFields, type Logger, systemClock } from "@millrace/runtime";
import { expect, it } from "vitest";
import { Orders } from "../orders/orders.ts";
import { Rulings } from "../rights/rulings.ts";
import { startAdminPage } from "./admin-page.ts";
import type { AdminServices } from "./admin-routes.ts";

const ORDERS = new Orders({ weightsMax: 2 });
const RULINGS = new Rulings(systemClock, { rulingsMax: 2 });

/** As little of an edge as answers every question an operator may ask. */
const SERVICES = {
  sessions: { list: () => Promise.resolve([]) },
  rulings: { current: () => RULINGS },
  reports: {
    edge: () => Promise.resolve({}),
    connections: () => ({ connections: [], total: 0 }),
    conversation: () => Promise.resolve({}),
  },
  orders: { current: () => ORDERS },
} as unknown as AdminServices;

function identify(): Promise<string> {
  return Promise.resolve("olga");
}

it("a look at the fleet fills no audit log, and a look at a user leaves its line there", async () => {
  const levels = new Map<unknown, string>();
  const at =
    (level: string) =>
    ({ action }: LogFields) =>
      void levels.set(action, level);
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
  const options = { address: "127.0.0.1:0", logger, services: SERVICES, identify };
  const page = await startAdminPage(options);
  try {
    for (const path of [
      "edge",
      "orders",
      "rulings",
      "users/alice/sessions",
      "users/alice/connections",
      "conversations/room%3A1",
    ]) {
      const { status } = await fetch(`http://127.0.0.1:${page.port}/v1/${path}`);
      expect([path, status]).toEqual([path, 200]);
    }
  } finally {
    page.close();
  }
  expect(Object.fromEntries(levels)).toEqual({
    "edge.report": "debug",
    "orders.list": "debug",
    "rulings.list": "info",
    "sessions.list": "info",
    "connections.report": "info",
    "conversation.report": "info",
  });
});
