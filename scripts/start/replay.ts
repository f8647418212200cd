import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Screen } from "./screen.ts";
import type { ReplayWish } from "./start-options.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SCRIPT = "scripts/replay.ts";

/** The replay that runs beside the product, on the same screen. */
export interface Replay {
  /** Ends it; what it has sent stays sent. */
  stop(): Promise<void>;
}

/** The replay can be run alone as well; here it is told where the edges are. */
export function isReplayAvailable(): boolean {
  return existsSync(`${ROOT}${SCRIPT}`);
}

export function startReplay(wish: ReplayWish, readyFile: string, screen: Screen): Replay {
  const file = wish.file === undefined ? [] : ["--file", wish.file];
  const options = ["--ready-file", readyFile, "--speed", String(wish.speed), ...file];
  const child = spawn(process.execPath, ["--import", "tsx", SCRIPT, ...options], {
    cwd: ROOT,
    // It hears of our end through its channel, and writes on our screen.
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = whenEnded(child);
  void ended.then((code) => screen.tell(`the replay ended with code ${code}`));
  return {
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function whenEnded(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("error", () => resolve(1));
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
