import { readFileSync, readdirSync, statSync } from "node:fs";
import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";

/** What the process has, and what it may have. */
export interface ProcessProbe {
  /** Infinity where the system does not say. */
  readonly descriptorsMax: number;
  /** Memory of the container, or of the machine. */
  readonly memoryBytes: number;
  /** What the kernel may hold for one socket that is not read. */
  readonly sendBufferBytes: number;
  /** Open descriptors. */
  descriptors(): number;
  rssBytes(): number;
  /** Of the heap that V8 may have, 0 to 1. */
  heapShare(): number;
}

const DESCRIPTORS = "/proc/self/fd";
const SEND_BUFFER_BYTES = 4_194_304;
/** On a machine without a container others live, too. */
const MACHINE_SHARE = 0.5;

/** A long list takes milliseconds to read; between two of these the last one will do. */
const LISTED_FOR_MS = 500;

/** The system's own words about this process. */
class SystemProbe implements ProcessProbe {
  readonly descriptorsMax = descriptorsMax();
  readonly memoryBytes = memoryBytes();
  readonly sendBufferBytes = sendBufferBytes();
  #rssBytes = 0;
  #listed = 0;
  #listedAtMs = Number.NEGATIVE_INFINITY;

  /** Since Linux 6.2 the folder's size is the number; before that it has to be listed. */
  descriptors(): number {
    try {
      return statSync(DESCRIPTORS).size || this.#list();
    } catch (error) {
      // None is left to look with; elsewhere than on Linux there is nothing to look at.
      return isExhausted(error) ? this.descriptorsMax : 0;
    }
  }

  /** Even this look takes a descriptor; without one, what was seen last is true enough. */
  rssBytes(): number {
    try {
      this.#rssBytes = process.memoryUsage.rss();
    } catch (error) {
      if (!isExhausted(error)) throw error;
    }
    return this.#rssBytes;
  }

  heapShare(): number {
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    return used / limit;
  }

  #list(): number {
    const nowMs = performance.now();
    if (nowMs - this.#listedAtMs >= LISTED_FOR_MS) {
      this.#listed = readdirSync(DESCRIPTORS).length;
      this.#listedAtMs = nowMs;
    }
    return this.#listed;
  }
}

export const systemProbe: ProcessProbe = new SystemProbe();

function isExhausted(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EMFILE";
}

function descriptorsMax(): number {
  const soft = /^Max open files\s+(\d+)/m.exec(textOf("/proc/self/limits"))?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

function memoryBytes(): number {
  const machine = totalmem();
  const container = process.constrainedMemory();
  const isContained = container !== undefined && container > 0 && container < machine;
  return isContained ? container : machine * MACHINE_SHARE;
}

/** The last of the three numbers of tcp(7), `tcp_wmem`. */
function sendBufferBytes(): number {
  const most = textOf("/proc/sys/net/ipv4/tcp_wmem").trim().split(/\s+/)[2];
  return most === undefined ? SEND_BUFFER_BYTES : Number(most);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Another system than Linux.
    return "";
  }
}
