import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { StartRefusal } from "./start-refusal.ts";

const TRIES_MAX = 10;

/** Held as long as this process uses the data folder. */
export interface DataLock {
  release(): void;
}

/**
 * Takes the data folder for this process. The lock names its holder by pid and by the time it was
 * started, so that a holder that is gone is known even when its pid has been given away again.
 */
export function lockDataFolder(folder: string): DataLock {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "lock");
  const mine = `${process.pid} ${startTime(process.pid)}\n`;
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, mine);
  try {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      if (link(draft, file)) return { release: () => release(file, mine) };
      const holder = read(file);
      if (holder !== undefined) refuseAlive(holder, folder);
      if (holder !== undefined) takeAway(file, holder);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new StartRefusal(`the lock ${file} can't be taken; other starts fight for it`);
}

function link(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function refuseAlive(holder: string, folder: string): void {
  const [pidText = "", ...rest] = holder.trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return;
  if (startTime(pid) !== rest.join(" ")) return;
  throw new StartRefusal(
    `another npm start (pid ${pid}) uses ${folder}; end it first, or give this one its own --data`,
  );
}

/** Moves a dead holder's lock out of the way, and puts back what turns out to be a live one's. */
function takeAway(file: string, holder: string): void {
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  if (read(aside) !== holder) link(aside, file);
  rmSync(aside, { force: true });
}

function release(file: string, mine: string): void {
  if (read(file) === mine) rmSync(file, { force: true });
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and belongs to somebody else.
    return codeOf(error) === "EPERM";
  }
}

/** In ticks since the boot, where the system tells (Linux); else empty, and the pid alone counts. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses and may hold spaces; 20 fields follow to ours.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    // No /proc, or the process is gone.
    return "";
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
