import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { must } from "@millrace/runtime";
import { BEARER_SUBPROTOCOL_PREFIX } from "@millrace/schemas";
import {
  type EdgeProcess,
  KafkaCluster,
  RedisServer,
  redisCommand,
  waitFor,
  withProducer,
} from "@millrace/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { EdgeStage, subscribe } from "./testing/edge-stage.ts";
import type { RawClient } from "./testing/raw-client.ts";
import { RawSocket, rawFrame } from "./testing/raw-socket.ts";

const C = "room:secrets";

/** Every secret and every text of this test, by what it is. */
const marks = new Map<string, string>();

function mark(what: string): string {
  const known = marks.get(what);
  if (known !== undefined) return known;
  const text = `MARK${marks.size}x${randomBytes(9).toString("hex")}`;
  marks.set(what, text);
  return text;
}

let kafka: KafkaCluster;
let redis: RedisServer;
let collector: Collector;
let stage: EdgeStage;

beforeAll(async () => {
  const login = [`on`, `>${mark("Redis password")}`, "~*", "&*", "+@all"];
  [kafka, redis, collector] = await Promise.all([
    KafkaCluster.start({ brokers: 1, proxied: true }),
    RedisServer.start(["--user", "edge", ...login]),
    Collector.start(),
  ]);
  const address = `edge:${mark("Redis password")}@127.0.0.1:${redis.port}`;
  stage = await EdgeStage.open({
    brokers: kafka.brokers,
    redisUrl: `redis://${address}`,
  });
}, 120_000);

afterAll(async () => {
  await stage.close();
  await Promise.all([kafka.stop(), redis.stop(), collector.stop()]);
});

// C-044
it("Secrets and message texts stay out of everything we record", async () => {
  const env = {
    EDGE_LOG_LEVEL: "debug",
    EDGE_JWKS: `${stage.issuer.jwks}?code=${mark("query of the JWKS")}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${mark("token of the collector")}`,
    OTEL_BSP_SCHEDULE_DELAY: "100",
  };
  const pages: string[] = [];
  const told: string[] = [];
  const edge = await stage.spawn("edge-1", { env });
  const alice = await stage.connect(edge, mark("user"), mark("device").slice(0, 64));
  await subscribe(alice, C, "live");

  told.push(...(await knock(edge)));
  await writeAll(alice, "in order");
  await askWrongly(alice);
  await breakFrames(edge);
  await writeForeign();
  await waitFor(() => wasLogged(edge, "record skipped"), { what: "a skipped record" });
  pages.push(await pageOf(edge));

  await redisFails(edge, alice);
  pages.push(await pageOf(edge));
  await kafkaFails(edge, alice);
  collector.isDown = true;
  await writeAll(alice, "without a collector");
  await waitFor(() => wasLogged(edge, "traces can't be sent; they are dropped"), {
    what: "a collector that is away",
  });
  pages.push(await pageOf(edge));
  await issuerFails(env);
  alice.terminate();
  await edge.terminate();

  told.push(...alice.frames.map(({ message = "" }) => message));
  const spans = collector.bodies.join("\n");
  const output = outputOf(edge) + outputOf(must(other, "the other edge"));
  // Nothing of it is missing for want of events.
  expect(spans).toContain('"publish"');
  expect(spans).toContain('"deliver"');
  expect(pages.join("\n")).toContain('millrace_errors_total{code="bad-frame"}');
  for (const event of EVENTS) expect(output).toContain(event);
  for (const line of output.trim().split("\n"))
    expect(() => JSON.parse(line) as unknown).not.toThrow();
  expect(foundIn({ output, pages: pages.join("\n"), spans, told: told.join("\n") })).toEqual([]);
}, 180_000);

/** What must have been written for the test to have seen anything. */
const EVENTS = [
  "record skipped",
  "redis refuses",
  "redis is silent",
  "redis is away",
  "no broker answers; it is tried again",
  "the issuer's keys can't be read; the known ones stay",
  "traces can't be sent; they are dropped",
];

let other: EdgeProcess | undefined;

/** Which marks stand where, in any of the spellings that a buffer or a header may be shown in. */
function foundIn(places: Readonly<Record<string, string>>): string[] {
  return Object.entries(places).flatMap(([place, text]) =>
    [...marks].flatMap(([what, secret]) => {
      const bytes = Buffer.from(secret);
      const spellings = [
        secret,
        bytes.toString("hex"),
        bytes.toString("base64").slice(0, 24),
        bytes.join(","),
      ];
      return spellings.some((spelling) => text.includes(spelling)) ? [`${what} in ${place}`] : [];
    }),
  );
}

/** Handshakes with good and bad secrets in every place; what each was answered. */
async function knock(edge: EdgeProcess): Promise<string[]> {
  const good = await stage.issuer.token({ sub: "bob" });
  marks.set("a good token", must(good.split(".")[2], "a signature").slice(0, 40));
  const [, payload = ""] = good.split(".");
  marks.set("the claims of a good token", payload.slice(0, 40));
  const ours = "millrace.v1.json";
  const attempts: [string, string[], object][] = [
    ["", [ours], header(`Bearer ${good}`)],
    ["", [ours, bearer(good)], {}],
    ["", [ours], header(`Bearer ${mark("bad token in the header")}`)],
    ["", [ours], header(`Basic ${mark("basic login")}`)],
    ["", [ours], header(`Bearer a b ${mark("malformed login")}`)],
    ["", [ours, bearer(mark("bad token in the sub-protocol"))], {}],
    [`?token=${good}`, [ours], {}],
    [`?access_token=${mark("bad token in the query")}`, [ours], {}],
    [`?ticket=${mark("ticket")}`, [ours], {}],
    [`?device=${mark("bad device")}%20`, [ours], header(`Bearer ${good}`)],
    [`?session=${mark("bad session")}.`, [ours], header(`Bearer ${good}`)],
    [`/${mark("path")}?x=${mark("query")}`, [ours], header(`Bearer ${good}`)],
    ["", [ours], { ...header(`Bearer ${good}`), origin: `https://${mark("origin")}.test` }],
  ];
  const answers: string[] = [];
  for (const [place, protocols, options] of attempts) {
    answers.push(await answerTo(edge.ws + place, protocols, options));
  }
  expect(new Set(answers.map((answer) => answer.slice(0, 3)))).toEqual(
    new Set(["101", "400", "401", "403", "404"]),
  );
  return answers;
}

function bearer(token: string): string {
  return BEARER_SUBPROTOCOL_PREFIX + token;
}

function header(authorization: string) {
  return { headers: { authorization } };
}

function answerTo(url: string, protocols: string[], options: object): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, protocols, options);
    socket.on("error", () => undefined);
    socket.on("open", () => {
      socket.close(4_000, mark("close reason"));
      resolve("101");
    });
    socket.on("unexpected-response", (_, response) => {
      let body = "";
      response.on("data", (data: Buffer) => (body += data.toString()));
      response.on("end", () => resolve(`${response.statusCode} ${body}`));
    });
  });
}

/** Publishes with and without a key, and an acknowledgement; whatever becomes of them. */
async function writeAll(client: RawClient, when: string): Promise<void> {
  const common = {
    t: "pub",
    c: C,
    body: mark(`body ${when}`),
    meta: { [mark(`meta's name ${when}`)]: mark(`meta ${when}`), traceparent: mark("bad trace") },
  };
  const key = mark(`key ${when}`);
  await Promise.all([
    client.request(common),
    client.request({ ...common, key }),
    client.request({ ...common, key }),
    client.request({ t: "ack", c: C, pos: client.position(C) }),
  ]);
}

/** Frames that are refused, each for something that is marked. */
async function askWrongly(client: RawClient): Promise<void> {
  const large = { t: "pub", c: C, body: mark("large body").repeat(1_000) };
  await Promise.all([
    client.request({ t: mark("verb") }),
    client.request({ t: "auth", token: mark("renewed token") }),
    client.request(large),
    client.request({ t: "pub", c: C, key: `${mark("bad key")}\u0007`, body: "x" }),
    client.request({ t: "pub", c: `${mark("bad conversation")}\u0007`, body: "x" }),
    client.request({ t: "pub", c: C, ref: mark("bad ref"), body: mark("body of a bad ref") }),
    client.request({ t: "sub", c: C, from: { after: mark("bad position") } }),
  ]);
}

async function breakFrames(edge: EdgeProcess): Promise<void> {
  const frames = [
    rawFrame(0x81, `{"t":"pub","body":"${mark("broken JSON")}`),
    rawFrame(0x81, Buffer.concat([Buffer.from(mark("no UTF-8")), Buffer.from([0xed, 0xa0])])),
    rawFrame(0x82, mark("binary")),
    rawFrame(0x83, mark("opcode 3")),
  ];
  for (const frame of frames) {
    const token = await stage.issuer.token({ sub: "eve" });
    const socket = await RawSocket.open({ port: edge.port, token });
    socket.write(frame);
    // Whoever was told to go says that it has heard.
    socket.write(rawFrame(0x88, Buffer.from([0x03, 0xe8])));
    await waitFor(() => socket.isClosed, { what: "the end of a broken connection" });
  }
}

/** Records nobody can read, on the partition of a conversation with a subscriber. */
async function writeForeign(): Promise<void> {
  const headers = { traceparent: mark("header"), [mark("header's name")]: "x" };
  const noText = Buffer.concat([Buffer.from(mark("record key")), Buffer.from([0xff])]);
  await withProducer(kafka.directBrokers, (producer) =>
    producer.send({
      topic: stage.topic,
      messages: [
        { key: C, value: mark("record value"), headers },
        {
          key: C,
          value: Buffer.concat([Buffer.from([0, 0, 0, 0, 99]), Buffer.from(mark("schema"))]),
        },
        { key: noText, value: "x", headers },
        { key: null, value: mark("value without a key") },
      ],
    }),
  );
}

async function redisFails(edge: EdgeProcess, client: RawClient): Promise<void> {
  await redisCommand(redis.port, "CONFIG", "SET", "maxmemory", "1");
  await writeAll(client, "without memory");
  await waitFor(() => wasLogged(edge, "redis refuses"), { what: "a refusal of Redis" });
  await redisCommand(redis.port, "CONFIG", "SET", "maxmemory", "0");
  redis.pause();
  await writeAll(client, "while Redis hangs");
  await waitFor(() => wasLogged(edge, "redis is silent"), { what: "a silent Redis" });
  redis.resume();
  await redisCommand(redis.port, "ACL", "SETUSER", "edge", "resetpass", ">other");
  await redisCommand(redis.port, "CLIENT", "KILL", "USER", "edge");
  await waitFor(() => wasLogged(edge, "redis is away"), { what: "a Redis that is away" });
  await writeAll(client, "with a wrong password");
  await redis.kill();
  await writeAll(client, "without Redis");
  await redis.restart();
  await waitFor(() => wasLogged(edge, "redis is back"), { what: "Redis" });
}

async function kafkaFails(edge: EdgeProcess, client: RawClient): Promise<void> {
  const proxy = kafka.proxy(0);
  // A batch is on its way when the line breaks.
  proxy.inspect((_, direction) => (direction === "down" ? "swallow" : "pass"));
  const writing = writeAll(client, "without an answer of Kafka");
  await waitFor(() => wasLogged(edge, "a long poll failed"), { what: "a long poll's end" });
  proxy.inspect(undefined);
  proxy.refuse(true);
  proxy.cutAll();
  await writing;
  await writeAll(client, "without Kafka");
  await waitFor(() => wasLogged(edge, "no broker answers"), { what: "Kafka's outage" });
  proxy.refuse(false);
  await waitFor(() => wasLogged(edge, "Kafka answers again"), { what: "Kafka" });
  const isStored = async (): Promise<boolean> => {
    const answer = await client.request({ t: "pub", c: C, body: mark("body afterwards") });
    return answer.t === "pubd";
  };
  await waitFor(isStored, { what: "a publish is stored again" });
}

/** An edge that finds no keys at its start. */
async function issuerFails(env: Readonly<Record<string, string>>): Promise<void> {
  stage.issuer.isDown = true;
  other = await stage.spawn("edge-2", { env });
  await knockOnce(other);
  stage.issuer.isDown = false;
  await other.terminate();
}

async function knockOnce(edge: EdgeProcess): Promise<void> {
  const headers = { authorization: `Bearer ${mark("token for an edge without keys")}` };
  await answerTo(edge.ws, ["millrace.v1.json"], { headers });
}

function outputOf({ child }: EdgeProcess): string {
  return readFileSync(child.outputFile, "utf8");
}

function wasLogged(edge: EdgeProcess, event: string): boolean {
  return outputOf(edge).includes(event);
}

async function pageOf({ metrics }: EdgeProcess): Promise<string> {
  return (await fetch(metrics)).text();
}

/** Takes traces by OTLP over HTTP, and keeps them as they came. */
class Collector {
  readonly #server: Server;
  readonly bodies: string[] = [];
  isDown = false;

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = "";
      request.on("data", (data: Buffer) => (body += data.toString()));
      request.on("end", () => {
        this.bodies.push(body);
        const authorization = must(request.headers.authorization, "the collector's token");
        // As a proxy in between that says too much.
        response.writeHead(this.isDown ? 400 : 200, { "content-type": "application/json" });
        response.end(this.isDown ? JSON.stringify({ authorization }) : "{}");
      });
    });
  }

  static async start(): Promise<Collector> {
    const started = new Collector();
    await new Promise<void>((resolve) => started.#server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
