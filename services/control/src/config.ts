import {
  type Environment,
  type OptionValues,
  type ReadOptions,
  booleanOption,
  choiceOption,
  folderOption,
  listOption,
  portOption,
  readOptions,
  textOption,
  urlOrPathOption,
} from "@millrace/runtime";
import { MESSAGES_TOPIC } from "@millrace/schemas";

export const CONTROL_PREFIX = "CONTROL_";

const HOST_AND_PORT = /^([^\s:,[\]]+|\[[\da-fA-F:.]+\]):\d{1,5}$/;
const CLIENT_URL = /^wss?:\/\/[^\s,]+\/v1\/connect$/;

/** Every option of control; `npm run check -- --write` puts it into docs/operations.md. */
export const CONTROL_OPTIONS = {
  host: textOption({
    meaning: "address that the API and the page listen on; leave loopback only behind TLS",
    fallback: "127.0.0.1",
  }),
  port: portOption({
    meaning: "port of the API, the page and the metrics; 0 takes any free one",
    fallback: 8070,
  }),
  edges: listOption({
    meaning:
      "`host:port` of the edges' operators' ports, separated by commas; each name stands for all of its addresses",
    item: HOST_AND_PORT,
    wanted: "host:port, several separated by commas",
  }),
  kafkaBrokers: listOption({
    meaning: "`host:port` of some brokers, separated by commas",
    item: HOST_AND_PORT,
    wanted: "host:port, several separated by commas",
  }),
  kafkaSecurityDir: folderOption({
    meaning:
      "folder with the authorities, certificate and login for Kafka; none: plain connections",
  }),
  topic: textOption({
    meaning: "the topic of the messages; those of cursors, rulings and audit are named after it",
    fallback: MESSAGES_TOPIC,
  }),
  issuer: textOption({ meaning: "`iss` of the operators' tokens that are accepted" }),
  jwks: urlOrPathOption({ meaning: "where the issuer's public keys are" }),
  audience: textOption({
    meaning: "`aud` of the operators' tokens that are accepted",
    fallback: "millrace",
  }),
  clientUrls: listOption({
    meaning:
      "addresses that clients connect to, separated by commas: for `millrace tail` and `send`; of each `wss:` one the certificate is watched",
    fallback: [],
    item: CLIENT_URL,
    wanted: "ws:// or wss:// addresses that end with /v1/connect, several separated by commas",
  }),
  isDevelopment: booleanOption({
    meaning: "topics need no more replicas than there are brokers",
    fallback: false,
  }),
  logLevel: choiceOption({
    meaning: "debug, info, warn, error or silent",
    fallback: "info",
    type: "level",
    choices: ["debug", "info", "warn", "error", "silent"],
  }),
};

export type ControlConfig = OptionValues<typeof CONTROL_OPTIONS>;

export function readControlConfig(environment: Environment): ReadOptions<typeof CONTROL_OPTIONS> {
  return readOptions(CONTROL_OPTIONS, { prefix: CONTROL_PREFIX, environment });
}
