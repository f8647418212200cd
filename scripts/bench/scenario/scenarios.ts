import { BROADCAST, CHAT, raised, serveFloor, steady } from "./chat.ts";
import type { Scenario } from "./measured.ts";

interface Entry {
  readonly run: Scenario;
  /** It has no edge, so that another environment of the edge changes nothing. */
  readonly isFloor?: boolean;
}

/** By the name that the command line knows, in the order in which they run. */
export const SCENARIOS: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ["floor-chat", { run: steady("floor-chat", CHAT, serveFloor), isFloor: true }],
  ["floor-chat-raised", { run: raised("floor-chat-raised", CHAT, serveFloor), isFloor: true }],
  [
    "floor-broadcast-raised",
    { run: raised("floor-broadcast-raised", BROADCAST, serveFloor), isFloor: true },
  ],
  ["chat", { run: steady("chat", CHAT) }],
  ["chat-raised", { run: raised("chat-raised", CHAT) }],
  ["broadcast", { run: steady("broadcast", BROADCAST) }],
  ["broadcast-raised", { run: raised("broadcast-raised", BROADCAST) }],
  ["publish-raised", { run: raised("publish-raised", { ...CHAT, isSilent: true }) }],
]);
