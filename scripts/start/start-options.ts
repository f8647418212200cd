import { resolve } from "node:path";
import { MESSAGES_TOPIC } from "@millrace/schemas";
import type { Delivery } from "../../services/edge/src/config.ts";

export interface StartOptions {
  readonly readyFile?: string;
  readonly edges: number;
  readonly port: number;
  readonly dataFolder: string;
  readonly isFresh: boolean;
  /** `--yes`: also what was given by the environment may be wiped. */
  readonly isConfirmed: boolean;
  /** Empty: the local pages. */
  readonly origins: readonly string[];
  readonly replay?: ReplayWish;
  readonly kafkaBrokers?: readonly string[];
  readonly redisUrl?: string;
  /** Folders of credentials for what is given: docs/operations.md. */
  readonly kafkaSecurityDir?: string;
  readonly redisSecurityDir?: string;
  readonly topic: string;
  readonly delivery: Delivery;
  /** So many load balancers before the edges. */
  readonly proxies?: number;
}

/** How edges get their records: docs/operations.md. */

export interface ReplayWish {
  readonly file?: string;
  readonly speed: number | "max";
}

export type StartCommand =
  | { readonly kind: "run"; readonly options: StartOptions }
  | { readonly kind: "help" }
  | { readonly kind: "unusable"; readonly problem: string };

export const USAGE = `npm start -- [options]

Boots Kafka and Redis (given by KAFKA_BROKERS and REDIS_URL, else by Docker, else local), creates the
topics, starts the edges, and stays until Ctrl-C or SIGTERM. KAFKA_SECURITY_DIR and REDIS_SECURITY_DIR
are folders of the credentials for what is given.

  --ready-file F   write F as JSON when everything serves
  --edges N        number of edges; default 1
  --port P         port of the first edge, the others take the next ones; default 8080
  --data DIR       where everything is kept; default .millrace
  --fresh          begin with empty topics and sessions; the development issuer stays
  --yes            with --fresh: also where KAFKA_BROKERS or REDIS_URL are given
  --origin URL     an origin that browsers may connect from; repeatable; default: the local pages
  --replay [FILE]  send a day of chat through it: generated, or from FILE (NDJSON, also .gz)
  --speed N|max    how much faster than life the replay runs; default 1
  --delivery direct|relay   each edge reads the whole log (default), or owners relay to the others
  --proxy [N]      1 or 2 load balancers with TLS before the edges (nginx); default 1
  --help           this text`;

const EDGES_MAX = 64;
const PORT_MAX = 65_535;
const PROXIES_MAX = 2;

/** A wrong use of the command line. */
class Unusable extends Error {
  override readonly name = "Unusable";
}

/** What the command line gives, as text; a repeatable option has several. */
interface Given {
  readonly texts: ReadonlyMap<string, readonly string[]>;
  has(name: string): boolean;
  last(name: string): string | undefined;
}

type ValueKind = "none" | "one" | "optional";

const NAMES: Readonly<Record<string, ValueKind>> = {
  "--ready-file": "one",
  "--edges": "one",
  "--port": "one",
  "--data": "one",
  "--fresh": "none",
  "--yes": "none",
  "--origin": "one",
  "--replay": "optional",
  "--speed": "one",
  "--delivery": "one",
  "--proxy": "optional",
  "--help": "none",
  "-h": "none",
};

export function parseStart(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): StartCommand {
  try {
    const given = readArguments(args);
    if (given.has("--help") || given.has("-h")) return { kind: "help" };
    return { kind: "run", options: optionsOf(given, environment) };
  } catch (error) {
    if (error instanceof Unusable) return { kind: "unusable", problem: error.message };
    throw error;
  }
}

function readArguments(args: readonly string[]): Given {
  const texts = new Map<string, string[]>();
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [name = "", ...parts] = arg.split("=");
    const kind = NAMES[name];
    if (kind === undefined) throw new Unusable(`${JSON.stringify(arg)} is no option`);
    const inline = parts.length > 0 ? parts.join("=") : undefined;
    if (kind === "none" && inline !== undefined) throw new Unusable(`${name} takes no value`);
    const value = inline ?? (kind === "none" ? undefined : takeValue(rest));
    if (kind === "one" && value === undefined) throw new Unusable(`${name} needs a value`);
    texts.set(name, [...(texts.get(name) ?? []), value ?? ""]);
  }
  return {
    texts,
    has: (name) => texts.has(name),
    last: (name) => texts.get(name)?.at(-1),
  };
}

function takeValue(rest: string[]): string | undefined {
  const [next] = rest;
  return next === undefined || next.startsWith("-") ? undefined : rest.shift();
}

function proxiesOf(given: Given): number {
  if (!given.has("--proxy")) return 0;
  if (given.last("--proxy") === "") return 1;
  return wholeNumber(given, "--proxy", { fallback: 1, min: 1, max: PROXIES_MAX });
}

/** What the environment says stands where the command line says nothing. */
function deliveryOf(given: Given, environment: string | undefined): Delivery {
  const delivery = given.last("--delivery") ?? (environment || "direct");
  if (delivery === "direct" || delivery === "relay") return delivery;
  throw new Unusable(`--delivery ${delivery}: direct or relay is needed`);
}

function optionsOf(
  given: Given,
  environment: Readonly<Record<string, string | undefined>>,
): StartOptions {
  const edges = wholeNumber(given, "--edges", { fallback: 1, min: 1, max: EDGES_MAX });
  const port = wholeNumber(given, "--port", { fallback: 8080, min: 1, max: PORT_MAX });
  if (port + edges - 1 > PORT_MAX) throw new Unusable(`--port ${port} leaves no room for ${edges}`);
  const readyFile = given.last("--ready-file");
  const replay = replayOf(given);
  const kafkaBrokers = brokersOf(environment["KAFKA_BROKERS"]);
  const redisUrl = environment["REDIS_URL"];
  const kafkaSecurityDir = securityDir(environment, "KAFKA_SECURITY_DIR", "KAFKA_BROKERS");
  const redisSecurityDir = securityDir(environment, "REDIS_SECURITY_DIR", "REDIS_URL");
  const proxies = proxiesOf(given);
  return {
    ...(readyFile !== undefined && { readyFile: resolve(readyFile) }),
    ...(replay && { replay }),
    ...(kafkaBrokers && { kafkaBrokers }),
    ...(redisUrl !== undefined && redisUrl !== "" && { redisUrl }),
    ...(kafkaSecurityDir !== undefined && { kafkaSecurityDir }),
    ...(redisSecurityDir !== undefined && { redisSecurityDir }),
    edges,
    port,
    dataFolder: resolve(given.last("--data") ?? ".millrace"),
    isFresh: given.has("--fresh"),
    isConfirmed: given.has("--yes"),
    origins: (given.texts.get("--origin") ?? []).map(originOf),
    topic: environment["EDGE_TOPIC"] ?? MESSAGES_TOPIC,
    delivery: deliveryOf(given, environment["EDGE_DELIVERY"]),
    ...(proxies > 0 && { proxies }),
  };
}

function wholeNumber(
  given: Given,
  name: string,
  bounds: { readonly fallback: number; readonly min: number; readonly max: number },
): number {
  const text = given.last(name);
  if (text === undefined) return bounds.fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= bounds.min && value <= bounds.max) return value;
  throw new Unusable(
    `${name} ${text}: a whole number from ${bounds.min} to ${bounds.max} is needed`,
  );
}

function replayOf(given: Given): ReplayWish | undefined {
  const speed = given.last("--speed");
  if (!given.has("--replay")) {
    if (speed !== undefined) throw new Unusable("--speed belongs to --replay");
    return undefined;
  }
  const file = given.last("--replay");
  const times = speed === undefined ? 1 : Number(speed);
  if (speed !== "max" && !(times > 0 && Number.isFinite(times))) {
    throw new Unusable(`--speed ${speed}: a number above 0 or max is needed`);
  }
  return {
    speed: speed === "max" ? "max" : times,
    ...(file !== undefined && file !== "" && { file: resolve(file) }),
  };
}

function brokersOf(text = ""): string[] | undefined {
  if (text.trim() === "") return undefined;
  const brokers = text.split(",").map((broker) => broker.trim());
  if (brokers.every((broker) => /^[^\s,]+:\d{1,5}$/.test(broker))) return brokers;
  throw new Unusable(`KAFKA_BROKERS is ${JSON.stringify(text)}; host:port[,host:port…] is needed`);
}

/** What is launched here asks nobody who he is, so a folder for it is a mistake. */
function securityDir(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
  place: string,
): string | undefined {
  const folder = environment[name] ?? "";
  if (folder === "") return undefined;
  if ((environment[place] ?? "") === "") throw new Unusable(`${name} belongs to ${place}`);
  return resolve(folder);
}

/** As browsers write it in their `Origin` header. */
function originOf(text: string): string {
  if (URL.canParse(text)) {
    const { origin, protocol } = new URL(text);
    if (protocol === "http:" || protocol === "https:") return origin;
  }
  throw new Unusable(`--origin ${text}: an http or https URL is needed`);
}
