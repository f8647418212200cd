import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { CHAT, type Serve, type Shape, serveEdge, steady } from "./chat.ts";
import type { Scenario } from "./measured.ts";

const SCRAPE_MS = 1_000;

/** The chat in which the edge does no more than it has to: what each feature is compared with. */
const PLAIN: Shape = { ...CHAT, hasKeys: false };

interface Feature {
  readonly shape: Shape;
  readonly serve?: Serve;
}

/** By the name that the scenario has behind `features-`; each is `plain` and one thing more. */
const FEATURES = {
  plain: { shape: PLAIN },
  keys: { shape: { ...PLAIN, hasKeys: true } },
  acks: { shape: { ...PLAIN, acknowledges: true } },
  metrics: { shape: PLAIN, serve: serveScraped },
  tracing: { shape: PLAIN, serve: serveTraced },
  // How far two runs of the same are apart: a ratio nearer to 1 than this one's says nothing.
  again: { shape: PLAIN },
} satisfies Readonly<Record<string, Feature>>;

export function feature(name: string, which: keyof typeof FEATURES): Scenario {
  const { shape, serve = serveEdge }: Feature = FEATURES[which];
  return steady(name, shape, serve);
}

/** Somebody reads all metrics each second, as a monitoring system does every ten or more. */
async function serveScraped(...given: Parameters<Serve>): ReturnType<Serve> {
  const served = await serveEdge(...given);
  const scraping = setInterval(() => void read(served.metrics), SCRAPE_MS);
  return {
    ...served,
    kill: () => {
      clearInterval(scraping);
      return served.kill();
    },
  };
}

async function read(page: string): Promise<void> {
  try {
    await (await fetch(page)).text();
  } catch {
    // The edge has been killed meanwhile.
  }
}

/** Every message is traced, to a collector that takes everything. */
async function serveTraced(...[bench, variant]: Parameters<Serve>): ReturnType<Serve> {
  const collector = createServer((request, response) => {
    request.resume().on("end", () => response.end("{}"));
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  const tracing = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    // What does not fit the default queue would be thrown away, which costs less.
    OTEL_BSP_MAX_QUEUE_SIZE: "100000",
  };
  const served = await serveEdge(bench, { ...variant, env: { ...variant.env, ...tracing } });
  return {
    ...served,
    kill: async () => {
      await served.kill();
      collector.closeAllConnections();
      collector.close();
    },
  };
}
