import { randomBytes } from "node:crypto";
import type { Ownership } from "@millrace/log";
import type { EdgeConfig } from "./config.ts";
import type { SessionParts } from "./edge-sessions.ts";
import type { EdgeMetrics } from "./metrics.ts";
import { connectRedis } from "./redis/redis-link.ts";
import { RedisRelay } from "./relay/redis-relay.ts";
import { RelayReceiver } from "./relay/relay-receiver.ts";
import { relayTraffic } from "./relay/relay-traffic.ts";
import { type PiecePost, RelaySender } from "./relay/relay-sender.ts";
import { RelayedPartition, type RelayedPartitionOptions } from "./relay/relayed-partition.ts";
import { DirectPartition } from "./tail/direct-partition.ts";
import type { TailFollower, TailOrigin } from "./tail/partition-tail.ts";
import type { PartitionSource } from "./tail/tails.ts";
import { onScrape } from "./watch/edge-gauges.ts";

export interface EdgeRelay {
  sourceOf(partition: number, origin: TailOrigin): PartitionSource;
  stop(): void;
}

/** Whether a piece gets lost, on its way to Redis or on its way from there. */
export type PieceLoss = (piece: Buffer, way: "to" | "from") => boolean;

type RelayParts = SessionParts & {
  readonly metrics: EdgeMetrics;
  readonly ownership: Ownership;
  readonly isLost?: PieceLoss;
  /** Hears of each record once. */
  readonly traffic: TailFollower;
} & Omit<RelayedPartitionOptions, "partition" | "origin" | "sender" | "receiver">;

const INCARNATION_BYTES = 6;

/** So long others take at most to hear of their new partitions and to reach the log's end there. */
const HANDOVER_MS = 4_000;

/** For so long what an edge owned is relayed on after it has left the group, until others surely do. */
export function handoverMsOf({ delivery }: EdgeConfig): number {
  return delivery === "relay" ? HANDOVER_MS : 0;
}

/** How this edge gets its records: all from the log, or from whoever owns a partition. */
export function createRelay(config: EdgeConfig, parts: RelayParts): EdgeRelay {
  return config.delivery === "relay" ? relayed(config, parts) : direct(parts);
}

function direct(parts: RelayParts): EdgeRelay {
  const { followers = [], metrics, log, traffic } = parts;
  const all = { ...parts, followers: [...followers, traffic] };
  onScrape(metrics.deliveryMode, (gauge) => {
    gauge.set({ mode: "direct" }, log.epoch?.partitions ?? 0);
  });
  return {
    sourceOf: (partition, origin) => new DirectPartition({ ...all, partition, origin }),
    stop: () => undefined,
  };
}

function relayed(config: EdgeConfig, parts: RelayParts): EdgeRelay {
  const { clock, logger, credentials, metrics, ownership, followers = [] } = parts;
  const { topic } = config;
  const link = { logger, ...credentials.redis };
  const saying = connectRedis(config.redisUrl, link);
  const hearing = connectRedis(config.redisUrl, { ...link, isHearing: true });
  const redis = new RedisRelay({ saying, hearing, clock, logger });
  const { isLost = () => false } = parts;
  const post: PiecePost = {
    post: async (channel, piece) => (isLost(piece, "to") ? 1 : redis.post(channel, piece)),
  };
  const incarnation = `${config.id}.${randomBytes(INCARNATION_BYTES).toString("base64url")}`;
  const partitions = new Map<number, RelayedPartition>();
  const isHeard = (partition: number): boolean => partitions.get(partition)?.isHeard ?? false;
  const sender = new RelaySender({ topic, incarnation, post, clock, isHeard });
  const receiver = new RelayReceiver({
    topic,
    source: redis,
    clock,
    logger,
    onPiece: (partition, bucket, piece) => partitions.get(partition)?.relayed(bucket, piece),
    onUnreadable: () => metrics.unreadable.inc({ what: "relay" }),
  });
  redis.listen({
    piece: (channel, bytes) => {
      if (!isLost(bytes, "from")) receiver.heard(channel, bytes);
    },
    ready: (hear) => receiver.hearAll(hear),
  });
  ownership.onChange((owned) => {
    sender.own(owned);
    for (const [partition, source] of partitions) source.own(owned.has(partition));
  });
  onScrape(metrics.deliveryMode, (gauge) => {
    const all = [...partitions.values()];
    const reading = all.filter(({ isDirect, isPaused }) => isDirect && !isPaused);
    gauge.set({ mode: "direct" }, reading.length);
    gauge.set({ mode: "relay" }, all.filter(({ isRelayed }) => isRelayed).length);
  });
  sender.start();
  receiver.start();
  const { hubs, follower } = relayTraffic(parts, ownership);
  const options = { ...parts, hubs, sender, receiver, followers: [...followers, follower] };
  return {
    sourceOf: (partition, origin) => {
      const source = new RelayedPartition({ ...options, partition, origin });
      partitions.set(partition, source);
      source.own(ownership.owned.has(partition));
      return source;
    },
    stop: () => {
      sender.stop();
      receiver.stop();
      saying.disconnect();
      hearing.disconnect();
    },
  };
}
