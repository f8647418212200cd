import type { Log } from "@millrace/log";
import { controlTopicOf } from "@millrace/schemas";
import type { OrderServices } from "./admin/order-calls.ts";
import type { RulingServices } from "./admin/ruling-calls.ts";
import type { EdgeConfig } from "./config.ts";
import type { EdgeClients } from "./edge-clients.ts";
import { type TopicParts, kafkaLog, settleTopic } from "./edge-topics.ts";
import type { EdgeLimits } from "./limits.ts";
import type { EdgeMetrics } from "./metrics.ts";
import { Rights } from "./rights/rights.ts";
import { OrderJournal } from "./orders/order-journal.ts";
import { Orders } from "./orders/orders.ts";
import { ControlAppender } from "./rights/control-appender.ts";
import { RulingFeed } from "./rights/ruling-feed.ts";
import { RulingJournal } from "./rights/ruling-journal.ts";
import { Rulings } from "./rights/rulings.ts";
import { onScrape } from "./watch/edge-gauges.ts";

export interface EdgeRights {
  readonly rights: Rights;
  /** False: an edge that does not know every ruling serves nobody. */
  readonly isWhole: boolean;
  /** How long ago anything was heard of their topic. */
  readonly silenceMs: number;
  readonly services: RulingServices;
  /** What holds of the orders about partitions and edges, which stand in the same topic. */
  readonly orders: Orders;
  readonly orderServices: Pick<OrderServices, "journal" | "current" | "clock">;
  /** Resolves when what was ruled until now holds here; rejects for a topic that can't keep it. */
  open(): Promise<void>;
  close(options: { readonly settleMs: number }): Promise<void>;
}

/** What operators have said: its topic, what holds of it, who acts on it, and who writes it. */
export function createRights(
  config: EdgeConfig,
  parts: TopicParts & {
    readonly limits: EdgeLimits;
    readonly metrics: EdgeMetrics;
    readonly clients: EdgeClients;
    readonly messages: Log;
  },
): EdgeRights {
  const { clock, limits, metrics, clients, messages } = parts;
  const topic = { name: controlTopicOf(config.topic), purpose: "control" } as const;
  const log = kafkaLog(config, topic.name, parts);
  const rulings = new Rulings(clock, limits);
  const rights = new Rights(rulings);
  const orders = new Orders(limits);
  const appender = new ControlAppender({ log, clock, limits });
  const journal = new RulingJournal({ appender, messages, rulings, limits });
  const orderJournal = new OrderJournal({ appender, orders, limits });
  const feed = new RulingFeed({
    ...parts,
    log,
    rulings,
    orders,
    onRuled: (subjects) => clients.onRuled(subjects),
    onFull: () => clients.closeAll(),
  });
  onScrape(metrics.rulings, (gauge) => gauge.set(rulings.size));
  onScrape(metrics.rulingsSilence, (gauge) => gauge.set(feed.silenceMs / 1_000));
  return {
    rights,
    get isWhole() {
      return feed.isWhole;
    },
    get silenceMs() {
      return feed.silenceMs;
    },
    orders,
    services: { journal, clock, current: () => (feed.isWhole ? rulings : undefined) },
    orderServices: {
      journal: orderJournal,
      clock,
      current: () => (feed.isWhole ? orders : undefined),
    },
    open: async () => {
      await settleTopic(config, topic, parts);
      await log.open();
      feed.start();
      await feed.whenWhole();
    },
    close: async ({ settleMs }) => {
      // First the log, so that nobody waits in a long poll any more.
      await log.close({ settleMs });
      await feed.stop();
    },
  };
}
