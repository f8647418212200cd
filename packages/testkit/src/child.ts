import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, openSync, closeSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Writable } from "node:stream";

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Gets everything the process prints. */
  readonly outputFile: string;
  /** It has children of its own, which would go on without it: they end with it, however it ends. */
  readonly isFamily?: boolean;
}

/** A process of ours, known by its pid and ended by nothing else. */
export interface Child {
  readonly pid: number;
  readonly outputFile: string;
  /** Resolves with how it ended; never rejects. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly hasExited: boolean;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL for a process that has not ended by then. */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Starts a process in a session of its own, so that a Ctrl-C in the terminal reaches only its
 * parent, which ends it in order. Should the parent be killed, the watchdog ends it.
 */
export function startChild(options: ChildOptions): Child {
  mkdirSync(dirname(options.outputFile), { recursive: true });
  const output = openSync(options.outputFile, "a");
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", output, output],
    detached: true,
  });
  closeSync(output);
  return watch(child, options);
}

const living = new Set<Child>();

/** Every process that was started here and has not ended: for an end that can't wait. */
export function livingChildren(): readonly Child[] {
  return [...living];
}

function watch(child: ChildProcess, options: ChildOptions): Child {
  const { command, outputFile, isFamily = false } = options;
  let hasExited = false;
  const { pid = -1 } = child;
  // Started detached, it leads a process group, whose name is its pid with a minus.
  const watched = isFamily ? -pid : pid;
  if (pid > 0) tellWatchdog("+", watched);
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("error", () => resolve({ code: -1, signal: null }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  }).then((end) => {
    hasExited = true;
    living.delete(started);
    if (isFamily && pid > 0) endGroup(pid);
    if (pid > 0) tellWatchdog("-", watched);
    return end;
  });
  const signal = (name: NodeJS.Signals): void => {
    if (!hasExited && pid > 0) child.kill(name);
  };
  const started: Child = {
    pid,
    outputFile,
    exited,
    signal,
    get hasExited() {
      return hasExited;
    },
    async stop(graceMs = 10_000) {
      if (pid < 0) throw new Error(`${command} could not be started`);
      // A stopped process does not hear SIGTERM before it is continued.
      signal("SIGCONT");
      signal("SIGTERM");
      const timer = setTimeout(() => signal("SIGKILL"), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
  living.add(started);
  return started;
}

/** What is left of the family of a process that has ended. */
function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // Nobody is left.
  }
}

/** A process that does not become ready is ended, so that it holds neither its port nor its data. */
export async function orEnd(child: Child, ready: Promise<unknown>): Promise<void> {
  try {
    await ready;
  } catch (error) {
    child.signal("SIGKILL");
    await child.exited;
    throw error;
  }
}

/** The last lines a process printed, for an error message. */
export function outputTail(outputFile: string, lines = 15): string {
  try {
    return readFileSync(outputFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    // It never printed anything.
    return "";
  }
}

/**
 * A shell that is told which processes are ours and ends them when its standard input ends, which
 * it does however we end. It sits in a session of its own and ignores what a terminal sends.
 */
const WATCHDOG = `
trap '' INT TERM HUP
pids=''
while read -r op pid; do
  kept=''
  for p in $pids; do [ "$p" = "$pid" ] || kept="$kept $p"; done
  [ "$op" = + ] && kept="$kept $pid"
  pids=$kept
done
for p in $pids; do kill -9 "$p" 2>/dev/null; done
`;

let watchdog: Writable | undefined;

function tellWatchdog(operation: "+" | "-", pid: number): void {
  if (watchdog === undefined) {
    const shell = spawn("/bin/sh", ["-c", WATCHDOG], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    shell.unref();
    watchdog = shell.stdin;
    // Neither its pipe nor itself keeps this process alive.
    (shell.stdin as unknown as { unref?: () => void }).unref?.();
    shell.stdin.on("error", () => undefined);
  }
  watchdog.write(`${operation} ${pid}\n`);
}
