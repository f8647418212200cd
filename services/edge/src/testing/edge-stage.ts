import { randomUUID } from "node:crypto";
import { createKafkaLog, ensureTopic, type Log } from "@millrace/log";
import { silentLogger, systemClock } from "@millrace/runtime";
import { controlTopicOf, cursorsTopicOf, parseMessageKey } from "@millrace/schemas";
import { type EdgeProcess, freePort, spawnEdge, waitFor } from "@millrace/testkit";
import { type Acknowledged, type Verdict, judge, readTopic } from "@millrace/testkit/judge";
import { expect } from "vitest";
import { readEdgeConfig } from "../config.ts";
import { type Edge, type EdgeDependencies, startEdge } from "../edge.ts";
import { type DownJson, RawClient } from "./raw-client.ts";
import { AUDIENCE, ISSUER, TestIssuer } from "./test-issuer.ts";

const WINDOW = 50;
const PUBLISH_PATIENCE_MS = 60_000;

/** Most tests are not about how fast one user may publish. */
const UNHURRIED = { EDGE_PUBLISH_PER_SEC: "100000", EDGE_PUBLISH_BURST: "100000" };

export interface StageOptions {
  readonly brokers: readonly string[];
  readonly redisUrl: string;
  /** Added to every edge's options. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Where clients connect to. */
export interface EdgePlace {
  readonly ws: string;
}

/** An edge in this process, whose parts a test may exchange. */
export interface LocalEdge extends EdgePlace {
  readonly port: number;
  readonly metrics: string;
  readonly edge: Edge;
}

/** A topic of a test's own, real edges on it, and clients on real sockets. */
export class EdgeStage {
  readonly topic = `edge-${randomUUID()}`;
  readonly cursorsTopic = cursorsTopicOf(this.topic);
  readonly controlTopic = controlTopicOf(this.topic);
  readonly issuer: TestIssuer;
  readonly #options: StageOptions;
  readonly #clients: RawClient[] = [];
  readonly #endings: (() => Promise<unknown>)[] = [];

  private constructor(options: StageOptions, issuer: TestIssuer) {
    this.#options = options;
    this.issuer = issuer;
  }

  static async open(options: StageOptions): Promise<EdgeStage> {
    return new EdgeStage(options, await TestIssuer.start());
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.terminate();
    await Promise.all(this.#endings.map((end) => end()));
    await this.issuer.stop();
  }

  /** Before the issuer goes, in no order. */
  atEnd(end: () => Promise<unknown>): void {
    this.#endings.push(end);
  }

  /** An edge in a process of its own. */
  async spawn(
    id: string,
    options: {
      readonly port?: number;
      readonly metricsPort?: number;
      readonly env?: Readonly<Record<string, string>>;
      readonly outputFile?: string;
      readonly descriptorsMax?: number;
      readonly folder?: string;
    } = {},
  ): Promise<EdgeProcess> {
    const { port, metricsPort, env, outputFile, descriptorsMax, folder } = options;
    const edge = await spawnEdge({
      id,
      ...(port !== undefined && { port }),
      ...(metricsPort !== undefined && { metricsPort }),
      ...(outputFile !== undefined && { outputFile }),
      ...(descriptorsMax !== undefined && { descriptorsMax }),
      ...(folder !== undefined && { folder }),
      env: { ...this.#environment(), ...env },
    });
    this.atEnd(() => edge.kill());
    return edge;
  }

  /** An edge in this process. With a log of the test's own the topic is not looked at. */
  async start(
    id: string,
    dependencies: Partial<EdgeDependencies> = {},
    env: Readonly<Record<string, string>> = {},
  ): Promise<LocalEdge> {
    const metricsPort = await freePort();
    const environment = {
      ...this.#environment(),
      EDGE_ID: id,
      EDGE_PORT: "0",
      EDGE_METRICS_PORT: String(metricsPort),
      EDGE_DRAIN_MS: "100",
      ...env,
    };
    const config = readEdgeConfig(environment);
    if (!config.ok) throw new Error(config.problems.join("; "));
    const parts = {
      logger: silentLogger,
      clock: systemClock,
      ...dependencies,
    };
    const edge = await startEdge(config.values, parts);
    this.atEnd(() => edge.drain());
    return {
      edge,
      port: edge.port,
      metrics: `http://127.0.0.1:${metricsPort}/metrics`,
      ws: `ws://127.0.0.1:${edge.port}/v1/connect`,
    };
  }

  /** The topic, made as an edge makes it. */
  async makeTopic(): Promise<void> {
    const { brokers } = this.#options;
    const options = { brokers, topic: this.topic, isDevelopment: true, logger: silentLogger };
    // A broker that has just deleted one of that name may not know the new one at once.
    const isMade = (): Promise<boolean> =>
      ensureTopic(options).then(
        () => true,
        () => false,
      );
    await waitFor(isMade, { what: "the topic is made" });
  }

  /** A log on the topic, for an edge here that reads it through something. */
  kafkaLog(): Log {
    const { brokers } = this.#options;
    return createKafkaLog({ brokers, topic: this.topic, clientId: "test", logger: silentLogger });
  }

  /**
   * The topic against what receivers were told, each over one connection or several, and against
   * what senders were told is safe. Keys that are numbers stand in their order, each once.
   */
  async judge(
    receivers: Readonly<Record<string, readonly RawClient[]>>,
    acknowledged: readonly Acknowledged[] = [],
  ): Promise<Verdict> {
    const told = Object.entries(receivers).map(([name, clients]) => {
      return [name, clients.flatMap(({ frames }) => frames)] as const;
    });
    const position = told.flatMap(([, frames]) => frames).find(({ pos }) => pos !== undefined)?.pos;
    const epoch = position?.split(".")[0] ?? "";
    const stored = await readTopic({ brokers: this.#options.brokers, topic: this.topic, epoch });
    return judge({ stored, told: Object.fromEntries(told), acknowledged }, { strictKeys: true });
  }

  connect(edge: EdgePlace, user: string, device?: string): Promise<RawClient> {
    return this.connectWith(edge, user, device === undefined ? {} : { device });
  }

  /** With that query. */
  async connectWith(
    edge: EdgePlace,
    user: string,
    query: Readonly<Record<string, string>> = {},
  ): Promise<RawClient> {
    return this.connectByToken(edge, await this.issuer.token({ sub: user }), query);
  }

  async connectByToken(
    edge: EdgePlace,
    token: string,
    query: Readonly<Record<string, string>>,
  ): Promise<RawClient> {
    const client = await RawClient.open({ url: edge.ws, token, query });
    this.#clients.push(client);
    return client;
  }

  #environment(): Record<string, string> {
    const { brokers, redisUrl, env } = this.#options;
    return {
      EDGE_KAFKA_BROKERS: brokers.join(","),
      EDGE_REDIS_URL: redisUrl,
      EDGE_TOPIC: this.topic,
      EDGE_ISSUER: ISSUER,
      EDGE_JWKS: this.issuer.jwks,
      EDGE_AUDIENCE: AUDIENCE,
      EDGE_DEVELOPMENT: "true",
      EDGE_DRAIN_MS: "3000",
      ...UNHURRIED,
      ...env,
    };
  }
}

export function subscribe(client: RawClient, c: string, from: unknown): Promise<DownJson> {
  return client.request({ t: "sub", c, from });
}

/**
 * In order, with a window of unanswered ones; a body that may be a key is its own. On a busy machine
 * the log may not take a message in time: where nothing behind it was taken either, all of them are
 * sent again, and their keys make each of them one.
 */
export async function publish(
  client: RawClient,
  c: string,
  bodies: readonly string[],
  options: { readonly isKeyed: boolean } = { isKeyed: true },
): Promise<void> {
  const untilMs = performance.now() + PUBLISH_PATIENCE_MS;
  for (let at = 0; at < bodies.length;) {
    const window = bodies.slice(at, at + WINDOW);
    const keys = window.map((body) => (options.isKeyed ? parseMessageKey(body) : undefined));
    const answers = await Promise.all(
      window.map((body, index) => {
        const key = keys[index];
        return client.request({ t: "pub", c, ...(key && { key }), body });
      }),
    );
    const failed = answers.findIndex(({ t }) => t !== "pubd");
    if (failed >= 0) {
      const rest = answers.slice(failed);
      const areLate = rest.every(({ code }) => code === "unavailable" || code === "not-appended");
      const mayRepeat = areLate && keys.slice(failed).every((key) => key !== undefined);
      if (!mayRepeat || performance.now() > untilMs)
        throw new Error(`not published: ${JSON.stringify(answers[failed])}`);
    }
    at += failed < 0 ? window.length : failed;
  }
}

/** m<first> to m<end − 1>. */
export function bodiesFrom(first: number, end: number): string[] {
  return Array.from({ length: end - first }, (_, index) => `m${first + index}`);
}

/** It gets exactly these, in this order, each continuing what was told before. */
export async function whenHas(
  client: RawClient,
  c: string,
  bodies: readonly string[],
): Promise<void> {
  await waitFor(() => client.messages(c).length >= bodies.length, { what: `all of ${c}` });
  expect(client.bodies(c)).toEqual(bodies);
  expect(client.offence).toBeUndefined();
}
