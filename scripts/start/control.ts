import { type CompanionPlace, type RunningCompanion, startCompanion } from "./companion.ts";
import type { Supervised } from "./supervised.ts";

const CONTROL = {
  name: "control",
  main: "services/control/src/main.ts",
  usualPort: 8070,
  // Whether it can see edges and Kafka is its own story: it tells it to whoever asks.
  readyPath: "/healthz",
  hostOption: "CONTROL_HOST",
  portOption: "CONTROL_PORT",
};

/** What operators ask: its API and its page. */
export function startControl(
  env: Readonly<Record<string, string>>,
  place: CompanionPlace,
): Promise<Supervised<RunningCompanion>> {
  return startCompanion(CONTROL, env, place);
}

/** The options of control that follow from what else runs: docs/operations.md. */
export function controlEnvironment(product: {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly issuer: { readonly url: string; readonly jwks: string };
  readonly edges: readonly { readonly admin: string; readonly ws: string }[];
  /** Load balancers before the edges, where there are some: clients connect to these. */
  readonly proxies: readonly { readonly ws: string }[];
  readonly isDevelopment: boolean;
  readonly kafkaSecurityDir?: string | undefined;
}): Record<string, string> {
  const entries = product.proxies.length > 0 ? product.proxies : product.edges;
  return {
    CONTROL_EDGES: product.edges.map(({ admin }) => admin).join(","),
    CONTROL_CLIENT_URLS: entries.map(({ ws }) => ws).join(","),
    CONTROL_KAFKA_BROKERS: product.brokers.join(","),
    CONTROL_KAFKA_SECURITY_DIR: product.kafkaSecurityDir ?? "",
    CONTROL_TOPIC: product.topic,
    CONTROL_ISSUER: product.issuer.url,
    CONTROL_JWKS: product.issuer.jwks,
    CONTROL_DEVELOPMENT: String(product.isDevelopment),
  };
}
