// Plain Node on purpose: this is what runs before anything is installed.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const NODE_MIN = [20, 19];
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LOCK = `${ROOT}package-lock.json`;
/** npm's own note of what it has installed, written when it is done. */
const INSTALLED = `${ROOT}node_modules/.package-lock.json`;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const PARENT_POLL_MS = 500;

function isNodeNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
}

/**
 * Runs a command in the foreground and resolves with its exit code. Signals are handed on. One
 * Ctrl-C may so reach the child several times, from the terminal, from npm and from here, within
 * a moment; the child takes that for one.
 */
function run(command, args, stdio) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio });
    const handOn = (signal) => child.kill(signal);
    for (const signal of SIGNALS) process.on(signal, handOn);
    const orphaned = whenOrphaned(() => child.kill("SIGTERM"));
    const finish = (code) => {
      for (const signal of SIGNALS) process.off(signal, handOn);
      clearInterval(orphaned);
      resolve(code);
    };
    child.once("error", (error) => {
      process.stderr.write(`${command} could not be started: ${error.message}\n`);
      finish(1);
    });
    child.once("exit", (code, signal) => finish(code ?? 128 + constants.signals[signal]));
  });
}

/** A killed npm tells nobody; what it started would stay. */
function whenOrphaned(act) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    act();
  }, PARENT_POLL_MS);
  return timer;
}

/** All that the lock file names is there, in its version; what is optional may be left out. */
function isInstalled() {
  if (!existsSync(INSTALLED)) return false;
  const present = JSON.parse(readFileSync(INSTALLED, "utf8")).packages;
  const wanted = JSON.parse(readFileSync(LOCK, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, { version, integrity, optional, devOptional, peer }]) =>
      !path.startsWith("node_modules/") ||
      optional === true ||
      devOptional === true ||
      peer === true ||
      (path in present &&
        present[path].version === version &&
        present[path].integrity === integrity),
  );
}

async function install() {
  process.stderr.write("installing the dependencies (npm ci)…\n");
  // Standard output belongs to the command that is launched.
  const code = await run("npm", ["ci", "--no-audit", "--no-fund"], ["inherit", 2, 2]);
  if (code !== 0 && code < 128) {
    process.stderr.write("npm ci failed: the lines above say why. It needs an npm registry.\n");
  }
  return code;
}

async function main([name = "", ...args]) {
  if (!isNodeNewEnough()) {
    const wanted = NODE_MIN.join(".");
    process.stderr.write(
      `Node ${wanted} or newer is needed, this is ${process.version} (https://nodejs.org).\n`,
    );
    return 1;
  }
  const script = `${ROOT}scripts/${name}.ts`;
  if (!/^[a-z0-9-]+$/.test(name) || !existsSync(script)) {
    process.stderr.write(`there is no scripts/${name}.ts to launch\n`);
    return 2;
  }
  if (!isInstalled()) {
    const code = await install();
    if (code !== 0) return code;
  }
  // The channel tells a script that wants to know it when this process is gone.
  const stdio = ["inherit", "inherit", "inherit", "ipc"];
  return run(process.execPath, ["--import", "tsx", script, ...args], stdio);
}

process.exitCode = await main(process.argv.slice(2));
