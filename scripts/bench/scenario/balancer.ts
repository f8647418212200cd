import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@millrace/client/node";
import { must } from "@millrace/runtime";
import { NginxServer, findNginx, waitFor } from "@millrace/testkit";
import { signToken } from "../../token.mjs";
import { Histogram } from "../load/histogram.ts";
import { type HandshakePlace, enter, makeHandshakes, tlsSession } from "../load/handshakes.ts";
import { bodyText } from "../load/stamped-frame.ts";
import type { Served } from "../stage/bench-stage.ts";
import { spanBetween } from "../stage/process-meter.ts";
import type { Bench, Scenario, ScenarioResult } from "./measured.ts";

const ROUNDS = { full: 6, quick: 2 } as const;
const HANDSHAKES = 500;
const KEPT = 1_000;
const MESSAGES = { full: 3_000, quick: 500 } as const;
const EVERY_MS = 10;
const PATIENCE_MS = 60_000;
const CONVERSATION = "room:bench";

/** What is measured beside each other, in turn, so that all of them meet the same machine. */
const WAYS = ["without a balancer", "with TLS", "with TLS resumed"] as const;

type Numbers = Record<string, number>;

/** What the load balancer costs: handshakes, memory for those who stay, and time for each message. */
export const balancer: Scenario = async (bench, variant): Promise<ScenarioResult> => {
  const name = "balancer";
  const result = { scenario: name, variant: variant.name };
  if ((await findNginx()) === undefined) {
    return { ...result, more: {}, notes: ["there is no nginx here: nothing was measured"] };
  }
  const served = await bench.stage.edge({ ...variant.env, EDGE_TRUSTED_PROXIES: "127.0.0.1" });
  const nginx = await NginxServer.start({ edges: [`127.0.0.1:${served.port}`] });
  bench.stage.meter.watch(name, nginx.workers);
  try {
    const more: Numbers = {
      ...(await handshakes(bench, served, nginx)),
      ...(await memory(bench, nginx)),
      ...(await latency(bench, served, nginx)),
    };
    return { ...result, more, notes: [] };
  } finally {
    bench.stage.meter.forget(name);
    await nginx.stop();
    await served.kill();
  }
};

async function handshakes(bench: Bench, { port }: Served, nginx: NginxServer): Promise<Numbers> {
  const { stage, isQuick, scale } = bench;
  const tokens = tokensOf(bench, Math.ceil(HANDSHAKES * scale));
  const secure = { port: nginx.port, ca: nginx.authority };
  const session = await tlsSession(secure, must(tokens[0], "a token"));
  const places: Record<(typeof WAYS)[number], HandshakePlace> = {
    "without a balancer": { port },
    "with TLS": secure,
    "with TLS resumed": { ...secure, session },
  };
  // Code that is compiled and buffers that grow are nobody's handshake.
  for (const way of WAYS) await makeHandshakes(places[way], tokens);
  const sums = new Map(WAYS.map((way) => [way, { seconds: 0, edge: 0, balancer: 0 }]));
  const rounds = isQuick ? ROUNDS.quick : ROUNDS.full;
  for (let round = 0; round < rounds; round++) {
    for (const way of WAYS) {
      const sum = must(sums.get(way), "a sum");
      const before = stage.meter.read();
      sum.seconds += await makeHandshakes(places[way], tokens);
      const { cpu, seconds } = spanBetween(before, stage.meter.read());
      sum.edge += (cpu.get("edge") ?? 0) * seconds;
      sum.balancer += (cpu.get("balancer") ?? 0) * seconds;
      await sleep(EVERY_MS);
    }
  }
  const count = rounds * tokens.length;
  const more: Numbers = {};
  for (const [way, { seconds, edge, balancer: nginxS }] of sums) {
    more[`handshakes/s ${way}`] = count / seconds;
    more[`edge µs a handshake ${way}`] = (edge / count) * 1e6;
    if (way !== "without a balancer")
      more[`balancer µs a handshake ${way}`] = (nginxS / count) * 1e6;
  }
  return more;
}

async function memory(bench: Bench, nginx: NginxServer): Promise<Numbers> {
  const { meter } = bench.stage;
  const held = (): number => meter.read().usage.get("balancer")?.residentBytes ?? 0;
  const before = held();
  const kept: Socket[] = [];
  const place = { port: nginx.port, ca: nginx.authority };
  for (const token of tokensOf(bench, Math.ceil(KEPT * bench.scale)))
    kept.push(await enter(place, token));
  const bytes = (held() - before) / kept.length;
  for (const socket of kept) socket.destroy();
  return { "balancer resident bytes per connection": bytes };
}

/** Two readers on each way get each message, so that it matters little who of them is served first. */
async function latency(bench: Bench, served: Served, nginx: NginxServer): Promise<Numbers> {
  const edge = { url: `ws://127.0.0.1:${served.port}/v1/connect` };
  const secure = { url: nginx.ws, ca: nginx.authority };
  const count = Math.ceil((bench.isQuick ? MESSAGES.quick : MESSAGES.full) * bench.scale);
  const token = (): string => signToken({ user: "reader", issuerFolder: bench.stage.issuerFolder });
  const times = { edge: new Histogram(), secure: new Histogram() };
  const sentAtMs = new Map<string, number>();
  const readers = [edge, secure, edge, secure].map((place) => {
    const histogram = place === edge ? times.edge : times.secure;
    const client = connect({ ...place, token });
    const reading = client.subscribe(CONVERSATION, {
      onMessage: ({ key = "" }) => {
        histogram.record((performance.now() - (sentAtMs.get(key) ?? 0)) * 1_000);
      },
    });
    return { client, reading };
  });
  const writer = connect({ ...edge, token });
  try {
    await waitFor(() => readers.every(({ reading }) => reading.isLive), {
      what: "all readers are live",
      timeoutMs: PATIENCE_MS,
    });
    for (let sent = 0; sent < count; sent++) {
      const key = String(sent);
      sentAtMs.set(key, performance.now());
      await Promise.all([writer.publish(CONVERSATION, bodyText(), { key }), sleep(EVERY_MS)]);
    }
    const isHeard = (): boolean => times.edge.count + times.secure.count === 4 * count;
    await waitFor(isHeard, { what: "everything was heard", timeoutMs: PATIENCE_MS });
  } finally {
    for (const { client } of readers) client.close();
    writer.close();
  }
  const more: Numbers = {};
  for (const [share, label] of [
    [0.5, "p50"],
    [0.99, "p99"],
  ] as const) {
    more[`${label} ms without a balancer`] = times.edge.quantile(share) / 1_000;
    more[`${label} ms through it`] = times.secure.quantile(share) / 1_000;
  }
  return more;
}

/** Each of a user of its own. */
function tokensOf({ stage }: Bench, count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    signToken({ user: `guest-${index}`, issuerFolder: stage.issuerFolder }),
  );
}
