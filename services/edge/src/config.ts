import {
  type Environment,
  type OptionValues,
  type ReadOptions,
  addressOption,
  booleanOption,
  choiceOption,
  countOption,
  folderOption,
  listOption,
  millisecondsOption,
  portOption,
  readOptions,
  textOption,
  urlOption,
  urlOrPathOption,
} from "@millrace/runtime";
import { MESSAGES_TOPIC } from "@millrace/schemas";
import { isNet } from "./admission/client-address.ts";
import { LIMITS } from "./limits.ts";

export const EDGE_PREFIX = "EDGE_";

/** The ways in which an edge gets its records; what is promised is promised with each. */
export const DELIVERIES = ["direct", "relay"] as const;

export type Delivery = (typeof DELIVERIES)[number];

/** Rarer pings would not keep a line open through a proxy that cuts idle ones after 60 s. */
const CONNECTION_AGE_MS_MAX = 30 * 86_400_000;
const WEIGHT_MAX = 1_000;
const PING_MS_MAX = 50_000;
const RATE_MAX = 1_000_000;
const MEMORY_MB_MAX = 10_000_000;
const PARTITIONS_MAX = 10_000;
const BROKER = /^([^\s:,[\]]+|\[[\da-fA-F:.]+\]):\d{1,5}$/;
const ORIGIN = /^https?:\/\/[^\s/,]+$/;

/** Every option of the edge; `npm run check -- --write` puts it into docs/operations.md. */
export const EDGE_OPTIONS = {
  id: textOption({
    meaning: "the edge's name in `welcome`, in records and in log lines",
    fallback: "edge-1",
  }),
  host: textOption({
    meaning: "address that the WebSocket server listens on",
    fallback: "127.0.0.1",
  }),
  port: portOption({
    meaning: "port of WebSocket and HTTP; 0 takes any free one",
    fallback: 8080,
  }),
  metricsPort: portOption({ meaning: "port of the metrics page", fallback: 9464 }),
  admin: addressOption({
    meaning:
      "where operators are served, and control asks; leave loopback only for a net of their own",
    fallback: "127.0.0.1:0",
  }),
  kafkaBrokers: listOption({
    meaning: "`host:port` of some brokers, separated by commas",
    item: BROKER,
    wanted: "host:port, several separated by commas",
  }),
  kafkaSecurityDir: folderOption({
    meaning:
      "folder with the authorities, certificate and login for Kafka; none: plain connections",
  }),
  redisUrl: urlOption({
    meaning: "the Redis for cursors; several, separated by commas, are nodes of a Redis Cluster",
    schemes: ["redis:", "rediss:"],
    isList: true,
    isSecret: true,
  }),
  redisSecurityDir: folderOption({
    meaning: "folder with the authorities, certificate and login for Redis",
  }),
  topic: textOption({
    meaning: "the topic of the messages; those of the cursors and rulings are named after it",
    fallback: MESSAGES_TOPIC,
  }),
  partitions: countOption({
    meaning: "keys are spread over so many partitions; 0: over all that the topic has",
    fallback: 0,
    min: 0,
    max: PARTITIONS_MAX,
  }),
  issuer: textOption({ meaning: "`iss` of the tokens that are accepted" }),
  jwks: urlOrPathOption({ meaning: "where the issuer's public keys are" }),
  audience: textOption({
    meaning: "`aud` of the tokens that are accepted",
    fallback: "millrace",
  }),
  origins: listOption({
    meaning: "exact origins that browsers may connect from, separated by commas",
    fallback: [],
    item: ORIGIN,
    wanted: "scheme://host[:port] without a path, several separated by commas",
  }),
  trustedProxies: listOption({
    meaning:
      "addresses and nets (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` is believed, separated by commas",
    fallback: [],
    item: { test: isNet },
    wanted: "addresses, or nets as address/bits, several separated by commas",
  }),
  memoryMb: countOption({
    meaning: "MiB that the process may use; 0: the container's, or half of the machine's",
    fallback: 0,
    min: 0,
    max: MEMORY_MB_MAX,
  }),
  delivery: choiceOption({
    meaning:
      "`direct`: each edge reads the whole log; `relay`: from the partitions' owners through Redis",
    fallback: "direct",
    type: "way",
    choices: DELIVERIES,
  }),
  isDevelopment: booleanOption({
    meaning: "topic settings that break a promise are only warned about",
    fallback: false,
  }),
  isCompressing: booleanOption({
    meaning: "clients that offer permessage-deflate get it: fewer bytes for more CPU",
    fallback: false,
  }),
  drainMs: millisecondsOption({
    meaning: "time from SIGTERM to the end of the process",
    fallback: 30_000,
    min: 100,
    max: 3_600_000,
  }),
  weight: countOption({
    meaning:
      "its share of the partitions that edges own, beside the other edges' weights; 0: none while others have more",
    fallback: 1,
    min: 0,
    max: WEIGHT_MAX,
  }),
  connectionAgeMs: millisecondsOption({
    meaning:
      "so old (within 10 %) a connection is told to connect again, so that clients spread to new edges; 0: never",
    fallback: 0,
    min: 0,
    max: CONNECTION_AGE_MS_MAX,
  }),
  pingMs: millisecondsOption({
    meaning: "interval of the server's pings; proxies often cut a line that is idle for 60 s",
    fallback: 25_000,
    min: 100,
    max: PING_MS_MAX,
  }),
  publishPerSec: countOption({
    meaning: "publishes per second of one user, over all of its connections to all edges",
    fallback: LIMITS.announced.publishPerSec,
    min: 1,
    max: RATE_MAX,
  }),
  publishBurst: countOption({
    meaning: "publishes of one user at once",
    fallback: LIMITS.announced.publishBurst,
    min: 1,
    max: RATE_MAX,
  }),
  logLevel: choiceOption({
    meaning: "debug, info, warn, error or silent",
    fallback: "info",
    type: "level",
    choices: ["debug", "info", "warn", "error", "silent"],
  }),
};

export type EdgeConfig = OptionValues<typeof EDGE_OPTIONS>;

export function readEdgeConfig(environment: Environment): ReadOptions<typeof EDGE_OPTIONS> {
  return readOptions(EDGE_OPTIONS, { prefix: EDGE_PREFIX, environment });
}
