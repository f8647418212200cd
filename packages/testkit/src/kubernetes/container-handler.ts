import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Container, HttpGet, LifecycleHandler } from "./objects.ts";

/** The container that is asked. */
export interface RunningContainer {
  readonly container: Container;
  readonly address: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
}

const SECOND_MS = 1_000;
const HTTP_FAILS_FROM = 400;

/** What a probe or a hook asks for; true: it went well. It never rejects; the signal ends it. */
export async function runHandler(
  handler: LifecycleHandler,
  running: RunningContainer,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if (handler.httpGet !== undefined) return await askByHttp(handler.httpGet, running, signal);
    if (handler.exec !== undefined) return await execute(handler.exec.command, running, signal);
    await sleep((handler.sleep?.seconds ?? 0) * SECOND_MS, undefined, { signal });
    return true;
  } catch {
    // No answer, or not in time.
    return false;
  }
}

async function askByHttp(
  { path = "/", port }: HttpGet,
  { container, address }: RunningContainer,
  signal: AbortSignal,
): Promise<boolean> {
  const number =
    typeof port === "number"
      ? port
      : container.ports?.find(({ name }) => name === port)?.containerPort;
  if (number === undefined) throw new Error(`${container.name} has no port ${port}`);
  const response = await fetch(`http://${address}:${number}${path}`, {
    signal,
    redirect: "manual",
    // A kept connection would be one of the edge's own, for as long as it lives.
    headers: { connection: "close" },
  });
  await response.body?.cancel();
  return response.status < HTTP_FAILS_FROM;
}

function execute(
  [command = "", ...args]: readonly string[],
  { environment, folder }: RunningContainer,
  signal: AbortSignal,
): Promise<boolean> {
  const options = { cwd: folder, env: { ...process.env, ...environment }, signal };
  return new Promise((resolve) => {
    execFile(command, args, options, (error) => resolve(error === null));
  });
}
