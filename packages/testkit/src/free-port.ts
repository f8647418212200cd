import { createServer } from "node:net";

/** Below the ephemeral range, and so that a Redis bus port (port + 10000) stays a port. */
const RANGE = { from: 15_000, to: 22_000 } as const;
const TRIES_MAX = 200;

/** What this process was given lately: free as long as nobody listens there, and not to be had twice. */
const given = new Set<number>();
const GIVEN_MAX = 2_000;

/** Nothing listens there on loopback at the moment. */
export function isPortFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/**
 * A port that was free a moment ago; the preferred one if it is. Random, so that two runs at once
 * rarely meet, and never the same twice; whoever binds it must still be ready to be told that it is taken.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isPortFree(preferred))) return preferred;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = RANGE.from + Math.floor(Math.random() * (RANGE.to - RANGE.from));
    if (given.has(port) || !(await isPortFree(port))) continue;
    if (given.size >= GIVEN_MAX) given.clear();
    given.add(port);
    return port;
  }
  throw new Error(`no free port between ${RANGE.from} and ${RANGE.to}`);
}
