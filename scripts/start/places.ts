import { freePort, isPortFree } from "@millrace/testkit";
import { StartRefusal } from "./start-refusal.ts";

const METRICS_PORT = 9464;
const ADMIN_PORT = 9470;

/** Where an edge listens; it keeps its ports over every restart. */
export interface EdgePlace {
  readonly id: string;
  readonly port: number;
  readonly metricsPort: number;
  /** The operators' port. */
  readonly adminPort: number;
}

/**
 * The edges' ports are promised to users and must all be free; metrics and operators' ports are any
 * when their usual one is taken. Nothing has been started yet when this refuses.
 */
export async function edgePlaces(count: number, firstPort: number): Promise<EdgePlace[]> {
  const ports = Array.from({ length: count }, (_, index) => firstPort + index);
  const areFree = await Promise.all(ports.map((port) => isPortFree(port)));
  const taken = ports.filter((_, index) => areFree[index] === false);
  if (taken.length > 0) {
    const what = taken.length === 1 ? `port ${taken[0]} is` : `ports ${taken.join(", ")} are`;
    throw new StartRefusal(`${what} taken by another process; end it, or choose --port`);
  }
  const places: EdgePlace[] = [];
  for (const [index, port] of ports.entries()) {
    const id = `edge-${index + 1}`;
    const isMine = (other: number): boolean => ports.includes(other) || isPlaced(places, other);
    const metricsPort = await portBeside(METRICS_PORT + index, isMine);
    const isMineToo = (other: number): boolean => other === metricsPort || isMine(other);
    places.push({
      id,
      port,
      metricsPort,
      adminPort: await portBeside(ADMIN_PORT + index, isMineToo),
    });
  }
  return places;
}

/** An edge of these listens there, or will. */
export function isPlaced(places: readonly EdgePlace[], port: number): boolean {
  return places.some((place) => [place.port, place.metricsPort, place.adminPort].includes(port));
}

/** The usual port when it is free, else any, but none that is meant for something else. */
export async function portBeside(
  usual: number,
  isMine: (port: number) => boolean,
): Promise<number> {
  let port = isMine(usual) ? await freePort() : await freePort(usual);
  while (isMine(port)) port = await freePort();
  return port;
}
