import { balancer } from "./balancer.ts";
import {
  BROADCAST,
  CHAT,
  RISING_BROADCAST,
  RISING_CHAT,
  raised,
  serveEdge,
  serveFloor,
  steady,
} from "./chat.ts";
import { acrossEdges, spreadOver } from "./fleet.ts";
import { compression } from "./compression.ts";
import { feature } from "./features.ts";
import { idle } from "./idle.ts";
import { kill } from "./kill.ts";
import { logFloor } from "./log-floor.ts";
import type { Scenario } from "./measured.ts";
import { rebalance } from "./rebalance.ts";
import { relayRaised } from "./relay-raised.ts";
import { RECORD_RATES, relayRecords } from "./relay-records.ts";
import { resumeCost } from "./resume-cost.ts";
import { resume } from "./resume.ts";

interface Entry {
  readonly name: string;
  readonly run: Scenario;
  /** It has no edge, so that another environment of the edge changes nothing. */
  readonly isFloor?: boolean;
}

/** By the name that the command line knows, in the order in which they run. */
export const SCENARIOS: readonly Entry[] = [
  { name: "floor-log", run: logFloor, isFloor: true },
  floor("floor-uws-chat", (name) => steady(name, CHAT, serveFloor)),
  floor("floor-uws-chat-raised", (name) => raised(name, RISING_CHAT, serveFloor)),
  floor("floor-uws-broadcast-raised", (name) => raised(name, RISING_BROADCAST, serveFloor)),
  floor("floor-uws-idle", (name) => idle(name, serveFloor)),
  entry("chat", (name) => steady(name, CHAT)),
  entry("chat-raised", (name) => raised(name, RISING_CHAT)),
  entry("broadcast", (name) => steady(name, BROADCAST)),
  entry("broadcast-raised", (name) => raised(name, RISING_BROADCAST)),
  entry("publish-raised", (name) => raised(name, { ...RISING_CHAT, isSilent: true })),
  entry("idle", (name) => idle(name, serveEdge)),
  entry("resume", (name) => resume(name, 25)),
  entry("resume-deep", (name) => resume(name, 400)),
  entry("resume-cost", () => resumeCost),
  entry("kill", () => kill),
  entry("balancer", () => balancer),
  entry("features-plain", (name) => feature(name, "plain")),
  entry("features-keys", (name) => feature(name, "keys")),
  entry("features-acks", (name) => feature(name, "acks")),
  entry("features-metrics", (name) => feature(name, "metrics")),
  entry("features-tracing", (name) => feature(name, "tracing")),
  entry("features-again", (name) => feature(name, "again")),
  entry("features-compression", (name) => compression(name)),
  entry("fleet-same", (name) => acrossEdges(name, "same")),
  entry("fleet-direct", (name) => acrossEdges(name, "direct")),
  entry("fleet-relay", (name) => acrossEdges(name, "relay")),
  entry("fleet-one", (name) => spreadOver(name, 1, "direct")),
  entry("fleet-three", (name) => spreadOver(name, 3, "direct")),
  entry("fleet-three-relay", (name) => spreadOver(name, 3, "relay")),
  entry("relay-raised", () => relayRaised),
  entry("relay-records", (name) => relayRecords(name, RECORD_RATES)),
  ...[3, 30, 100].flatMap((members) =>
    [48, 192].map((partitions) =>
      floor(`rebalance-${members}-${partitions}`, (name) =>
        rebalance(name, { members, partitions }),
      ),
    ),
  ),
];

function entry(name: string, make: (name: string) => Scenario): Entry {
  return { name, run: make(name) };
}

function floor(name: string, make: (name: string) => Scenario): Entry {
  return { name, run: make(name), isFloor: true };
}
