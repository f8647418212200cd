import { type Log, type Ownership, createOwnershipGroup } from "@millrace/log";
import type { Clock, Logger } from "@millrace/runtime";
import { ownershipGroupOf } from "@millrace/schemas";
import type { EdgeConfig } from "./config.ts";
import type { EdgeCredentials } from "./edge-credentials.ts";
import type { EdgeMetrics } from "./metrics.ts";
import type { Orders } from "./orders/orders.ts";
import type { TailFollower } from "./tail/partition-tail.ts";
import { onScrape } from "./watch/edge-gauges.ts";

export interface EdgeOwnership {
  readonly ownership: Ownership;
  /** Follows the tails: how far each partition was handed on, for the tools that show a group's lag. */
  readonly progress: TailFollower;
}

export interface OwnershipParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly credentials: EdgeCredentials;
  readonly metrics: EdgeMetrics;
  readonly log: Log;
  readonly orders: Orders;
  /** Another way to decide who owns what than a consumer group. */
  readonly ownership?: Ownership;
  /** The log is a test's own: there is no Kafka that could know a group of its topic. */
  readonly isGiven: boolean;
}

/**
 * Who owns which partition, in both ways of delivery: it says who relays, who commits progress, and what
 * operators see and move. No record waits for it, and nothing that fails in it is told to a client.
 */
export function createOwnership(config: EdgeConfig, parts: OwnershipParts): EdgeOwnership {
  const { metrics, orders, isGiven } = parts;
  const hasGroup = config.delivery === "relay" || !isGiven;
  const { ownership = hasGroup ? groupOf(config, parts) : UNOWNED } = parts;
  orders.onChange(() => ownership.refresh());
  onScrape(metrics.partitionOwned, (gauge) => {
    gauge.reset();
    for (const partition of ownership.owned) gauge.set({ partition }, 1);
  });
  return { ownership, progress: progressOf(ownership) };
}

/** Its share of the partitions: what operators have ordered, or else what it was started with. */
export function weightInForce({ id, weight }: EdgeConfig, orders: Orders): number {
  return orders.weightOf(id) ?? weight;
}

const UNOWNED: Ownership = {
  owned: new Set(),
  onChange: () => () => undefined,
  progressed: () => undefined,
  join: () => undefined,
  refresh: () => undefined,
  rejoin: () => undefined,
  leave: async () => undefined,
};

function groupOf(config: EdgeConfig, parts: OwnershipParts): Ownership {
  const { clock, logger, credentials, log, metrics, orders } = parts;
  const { id: edge, admin: address } = config;
  return createOwnershipGroup({
    brokers: config.kafkaBrokers,
    topic: config.topic,
    groupId: ownershipGroupOf(config.topic),
    partitions: () => log.epoch?.partitions ?? 0,
    pins: () => orders.pins,
    self: () => ({ edge, address, weight: weightInForce(config, orders), isDraining: false }),
    onUnreadable: () => metrics.unreadable.inc({ what: "member" }),
    clock,
    logger,
    ...credentials.kafka,
  });
}

/** Also of a partition that is given to this edge while nothing comes in it. */
function progressOf(ownership: Ownership): TailFollower {
  const places = new Map<number, bigint>();
  const isAt = (partition: number, offset: bigint): void => {
    places.set(partition, offset);
    ownership.progressed(partition, offset);
  };
  ownership.onChange((owned) => {
    for (const partition of owned) {
      const place = places.get(partition);
      if (place !== undefined) ownership.progressed(partition, place);
    }
  });
  return {
    began: (partition, { offset }) => isAt(partition, offset),
    passed: ({ partition, next }) => isAt(partition, next),
  };
}
