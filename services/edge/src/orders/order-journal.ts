import {
  type OrderRecord,
  type OrderSubject,
  encodeOrder,
  orderRecordKey,
} from "@millrace/schemas/record";
import type { EdgeLimits } from "../limits.ts";
import { type ControlAppender, type RuleOutcome, refused } from "../rights/control-appender.ts";
import type { Orders } from "./orders.ts";

export interface OrderJournalOptions {
  readonly appender: Pick<ControlAppender, "append">;
  readonly orders: Orders;
  readonly limits: Pick<EdgeLimits, "weightsTaken">;
}

/** Writes orders into the topic that they share with the rulings. */
export class OrderJournal {
  readonly #options: OrderJournalOptions;

  constructor(options: OrderJournalOptions) {
    this.#options = options;
  }

  async order(record: OrderRecord): Promise<RuleOutcome> {
    const { order } = record;
    const { appender, orders, limits } = this.#options;
    const isMore = order.kind === "weight" && !orders.has(order);
    if (isMore && orders.weights >= limits.weightsTaken) {
      return refused("unavailable", `${limits.weightsTaken} weights hold already: lift some`);
    }
    return appender.append(orderRecordKey(order), encodeOrder(record));
  }

  lift(subject: OrderSubject): Promise<RuleOutcome> {
    return this.#options.appender.append(orderRecordKey(subject), null);
  }
}
