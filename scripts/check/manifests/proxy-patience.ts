import { readEdgeConfig } from "../../../services/edge/src/config.ts";
import { type ManifestSet, environmentOf, ofKind } from "./manifest.ts";

/** One ping may be lost, or late. */
const PINGS = 2;

const NGINX_TIMES = ["proxy_read_timeout", "proxy_send_timeout"] as const;
const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600 };

/** No proxy on the way cuts a line that the edges' pings keep open. */
export function proxyPatience(set: ManifestSet): string[] {
  const pingS = pingSeconds(set);
  return [
    ...ofKind(set, "HTTPRoute").flatMap(({ metadata, spec }) =>
      (spec.rules ?? []).flatMap(({ timeouts = {} }) =>
        Object.entries(timeouts).flatMap(([name, time]) => {
          const seconds = secondsIn(time);
          // Gateway API: 0 switches the time-out off.
          if (seconds === 0 || seconds > pingS) return [];
          return [`HTTPRoute ${metadata.name}: ${name} of ${time} is not above EDGE_PING_MS`];
        }),
      ),
    ),
    ...ofKind(set, "ConfigMap").flatMap(({ metadata, data = {} }) =>
      Object.entries(data)
        .filter(([name]) => name.includes("nginx"))
        .flatMap(([, text]) => nginxPatience(text, pingS))
        .map((message) => `ConfigMap ${metadata.name}: ${message}`),
    ),
  ];
}

/** What an nginx configuration says of silence; its own default of 60 s is said nowhere. */
export function nginxPatience(text: string, pingS: number): string[] {
  return NGINX_TIMES.flatMap((name) => {
    const times = [...text.matchAll(new RegExp(`^\\s*${name}\\s+([^;]+);`, "gm"))];
    if (times.length === 0) return [`${name} is not set`];
    return times
      .map(([, time = ""]) => time.trim())
      .filter((time) => secondsIn(time) < PINGS * pingS)
      .map((time) => `${name} of ${time} is less than ${PINGS} × EDGE_PING_MS`);
  });
}

/** The rarest of all edges'. */
function pingSeconds(set: ManifestSet): number {
  const containers = ofKind(set, "Deployment").flatMap(({ spec }) => spec.template.spec.containers);
  const pings = containers.map((container) => {
    const config = readEdgeConfig(environmentOf(set, container));
    return container.name === "edge" && config.ok ? config.values.pingMs / 1_000 : 0;
  });
  return Math.max(0, ...pings);
}

/** Both nginx and Gateway API write several parts behind each other: `1m30s`. */
function secondsIn(time: string): number {
  return [...time.matchAll(/(\d+)(ms|[smh]?)/g)].reduce(
    (sum, [, amount = "0", unit = ""]) => sum + Number(amount) * (SECONDS[unit || "s"] ?? 1),
    0,
  );
}
