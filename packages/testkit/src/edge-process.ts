import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, outputTail, startChild } from "./child.ts";
import { freePort } from "./free-port.ts";
import { waitFor } from "./wait-for.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const MAIN = "services/edge/src/main.ts";
const READY_MS = 60_000;
const ANSWER_MS = 1_000;
const HOST = "127.0.0.1";

export interface EdgeProcessOptions {
  readonly id: string;
  /** Any free one when not given. */
  readonly port?: number;
  readonly metricsPort?: number;
  /** Its options, as docs/operations.md lists them; brokers, Redis and issuer are needed. */
  readonly env: Readonly<Record<string, string>>;
  readonly outputFile?: string;
  /** The root of another checkout, whose code it runs. */
  readonly folder?: string;
  /** Another script than the edge's own. */
  readonly main?: string;
  /** How many descriptors it may have. */
  readonly descriptorsMax?: number;
  readonly signal?: AbortSignal;
}

/** A real edge in a process of its own. */
export interface EdgeProcess {
  readonly id: string;
  readonly port: number;
  readonly metricsPort: number;
  readonly ws: string;
  readonly http: string;
  readonly metrics: string;
  readonly pid: number;
  readonly child: Child;
  /** kill -9; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM: it drains; resolves with its exit code. */
  terminate(): Promise<number | null>;
  /** SIGSTOP: its connections stay, nothing is answered. */
  pause(): void;
  resume(): void;
}

/** Starts an edge and resolves when it is ready; what it printed is in the error when it is not. */
export async function spawnEdge(options: EdgeProcessOptions): Promise<EdgeProcess> {
  const { id, folder = ROOT, main = MAIN, signal } = options;
  const port = options.port ?? (await freePort());
  const metricsPort = options.metricsPort ?? (await freePortBeside(port));
  const place = { EDGE_ID: id, EDGE_HOST: HOST, EDGE_PORT: String(port) };
  const node = [process.execPath, "--import", "tsx", main];
  const [command = "", ...args] =
    options.descriptorsMax === undefined ? node : limited(options.descriptorsMax, node);
  const child = startChild({
    command,
    args,
    cwd: folder,
    env: { ...place, EDGE_METRICS_PORT: String(metricsPort), ...options.env },
    outputFile: options.outputFile ?? join(tmpdir(), `millrace-edge-${process.pid}-${port}.log`),
  });
  const edge = edgeOf({ id, port, metricsPort, child });
  await whenReady(edge, signal);
  return edge;
}

/** The shell becomes the process. */
function limited(descriptorsMax: number, command: readonly string[]): string[] {
  return ["sh", "-c", `ulimit -n ${descriptorsMax} && exec "$0" "$@"`, ...command];
}

/** The edge's own port is free, too, until it listens there. */
async function freePortBeside(taken: number): Promise<number> {
  const port = await freePort();
  return port === taken ? freePortBeside(taken) : port;
}

async function whenReady(edge: EdgeProcess, signal: AbortSignal | undefined): Promise<void> {
  const { child, id, port } = edge;
  const isReady = async (): Promise<boolean> => {
    if (signal?.aborted === true) throw new Error(`${id} is not needed any more`);
    if (child.hasExited) {
      throw new Error(`${id} ended at its start:\n${outputTail(child.outputFile)}`);
    }
    return answersReady(port);
  };
  try {
    const what = `${id} is ready on port ${port} (see ${child.outputFile})`;
    await waitFor(isReady, { what, timeoutMs: READY_MS });
  } catch (error) {
    // A half-started edge would hold its port.
    await edge.kill();
    throw error;
  }
}

function edgeOf(parts: Pick<EdgeProcess, "id" | "port" | "metricsPort" | "child">): EdgeProcess {
  const { port, metricsPort, child } = parts;
  const http = `http://${HOST}:${port}`;
  return {
    ...parts,
    ws: `ws://${HOST}:${port}/v1/connect`,
    http,
    metrics: `http://${HOST}:${metricsPort}/metrics`,
    pid: child.pid,
    kill: async () => {
      child.signal("SIGKILL");
      await child.exited;
    },
    terminate: async () => {
      child.signal("SIGTERM");
      const { code } = await child.exited;
      return code;
    },
    pause: () => child.signal("SIGSTOP"),
    resume: () => child.signal("SIGCONT"),
  };
}

/** An edge there wants new clients. */
export async function answersReady(port: number): Promise<boolean> {
  try {
    const url = `http://${HOST}:${port}/readyz`;
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    // Nobody listens there yet, or the answer takes too long.
    return false;
  }
}
