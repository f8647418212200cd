import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@millrace/runtime";
import { type Child, type EdgeProcess, spawnEdge } from "@millrace/testkit";
import type { EdgePlace } from "./places.ts";
import { Supervised } from "./supervised.ts";

/** An edge as its supervisor sees it, with the addresses that the ready file tells. */
export interface RunningEdge {
  readonly id: string;
  readonly ws: string;
  readonly http: string;
  readonly metrics: string;
  readonly pid: number;
  readonly exited: Child["exited"];
  stop(graceMs: number): Promise<void>;
}

export interface EdgesOptions {
  readonly places: readonly EdgePlace[];
  readonly logFolder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly tell: (line: string) => void;
  readonly onBack: () => void;
  /** Another script than the edge's own: for tests. */
  readonly main?: string;
}

/** Starts all edges at once; each is kept running under its id and ports. */
export function startEdges(options: EdgesOptions): Promise<Supervised<RunningEdge>[]> {
  const { places, logFolder, clock, tell, onBack } = options;
  mkdirSync(logFolder, { recursive: true });
  return Promise.all(
    places.map((place) => {
      const launch = (signal: AbortSignal): Promise<RunningEdge> =>
        launchEdge(place, options, signal);
      return Supervised.start({ name: place.id, launch, clock, tell, onBack });
    }),
  );
}

async function launchEdge(
  place: EdgePlace,
  { env, logFolder, main }: EdgesOptions,
  signal: AbortSignal,
): Promise<RunningEdge> {
  const outputFile = join(logFolder, `${place.id}.log`);
  const edge = await spawnEdge({ ...place, env, outputFile, signal, ...(main && { main }) });
  return runningEdge(edge);
}

function runningEdge({ id, ws, http, metrics, pid, child }: EdgeProcess): RunningEdge {
  const stop = (graceMs: number): Promise<void> => child.stop(graceMs);
  return { id, ws, http, metrics, pid, exited: child.exited, stop };
}

/** The options of an edge that the whole product shares: docs/operations.md. */
export function edgeEnvironment(shared: {
  readonly brokers: readonly string[];
  readonly redisUrl: string;
  readonly topic: string;
  readonly issuer: { readonly url: string; readonly jwks: string };
  readonly origins: readonly string[];
  readonly isDevelopment: boolean;
  readonly delivery: string;
  readonly kafkaSecurityDir?: string;
  readonly redisSecurityDir?: string;
  /** Addresses of the load balancers before them. */
  readonly trustedProxies?: readonly string[];
}): Record<string, string> {
  return {
    EDGE_KAFKA_BROKERS: shared.brokers.join(","),
    EDGE_REDIS_URL: shared.redisUrl,
    EDGE_TOPIC: shared.topic,
    EDGE_ISSUER: shared.issuer.url,
    EDGE_JWKS: shared.issuer.jwks,
    EDGE_ORIGINS: shared.origins.join(","),
    EDGE_DEVELOPMENT: String(shared.isDevelopment),
    EDGE_DELIVERY: shared.delivery,
    // Empty is as good as absent.
    EDGE_KAFKA_SECURITY_DIR: shared.kafkaSecurityDir ?? "",
    EDGE_REDIS_SECURITY_DIR: shared.redisSecurityDir ?? "",
    EDGE_TRUSTED_PROXIES: (shared.trustedProxies ?? []).join(","),
  };
}

/** Where the pages of this machine are served from, as a browser names it. */
export function localOrigins(places: readonly EdgePlace[]): string[] {
  return places.flatMap(({ port }) => [`http://127.0.0.1:${port}`, `http://localhost:${port}`]);
}
