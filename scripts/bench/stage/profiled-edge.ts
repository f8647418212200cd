import { renameSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";

/**
 * The edge as it is, and a CPU profile between two SIGUSR2, so that it covers what was measured and
 * neither the start nor the handshakes.
 */
const SAMPLE_US = 500;

const session = new Session();
let made = 0;
let isRunning = false;

async function toggle(): Promise<void> {
  if (!isRunning) {
    isRunning = true;
    await session.post("Profiler.start");
    return;
  }
  isRunning = false;
  const { profile } = await session.post("Profiler.stop");
  const file = `${process.env["BENCH_PROFILE_PREFIX"]}-${made++}.cpuprofile`;
  // It is there as a whole, or not at all.
  writeFileSync(`${file}.part`, JSON.stringify(profile));
  renameSync(`${file}.part`, file);
}

session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_US });
process.on("SIGUSR2", () => void toggle());
await import("../../../services/edge/src/main.ts");
