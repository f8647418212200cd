// Plain Node on purpose: the operators' command line looks for what runs before anything is installed.
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** One file for each `npm start` of the checkout, wherever its data are. */
const FOLDER = fileURLToPath(new URL("../.millrace/running/", import.meta.url));

/** Says that this process runs the product of a data folder; returns how to take it back. */
export function announceProduct({ dataFolder, readyFile, startedAtMs, folder = FOLDER }) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${process.pid}.json`);
  const content = { pid: process.pid, birth: birthOf(process.pid), startedAtMs };
  const draft = `${file}.new`;
  writeFileSync(draft, `${JSON.stringify({ ...content, dataFolder, readyFile })}\n`);
  renameSync(draft, file);
  return () => rmSync(file, { force: true });
}

/**
 * The products that run, the newest first; with a data folder only the one that uses it. What a
 * killed start has left behind is taken away.
 */
export function runningProducts({ dataFolder, folder = FOLDER } = {}) {
  const products = namesIn(folder).flatMap((name) => {
    const file = join(folder, name);
    const product = read(file);
    if (product !== undefined && isAlive(product)) return [product];
    rmSync(file, { force: true });
    return [];
  });
  const wanted = dataFolder === undefined ? undefined : resolve(dataFolder);
  return products
    .filter((product) => wanted === undefined || resolve(product.dataFolder) === wanted)
    .toSorted((a, b) => b.startedAtMs - a.startedAtMs);
}

function namesIn(folder) {
  try {
    return readdirSync(folder).filter((name) => /^\d+\.json$/.test(name));
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    // Taken back a moment ago, or broken: nobody runs behind it.
    return undefined;
  }
}

/** A pid that was given away again belongs to a process of another birth. */
function isAlive({ pid, birth }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and belongs to somebody else.
    if (error.code !== "EPERM") return false;
  }
  return birth === birthOf(pid);
}

/** In ticks since the boot, where the system tells (Linux); else empty, and the pid alone counts. */
function birthOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses and may hold spaces; 20 fields follow to ours.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    // No /proc, or the process is gone.
    return "";
  }
}
