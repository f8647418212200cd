import { LOG_CACHE_BYTES } from "@millrace/log";
import { type EdgeLimits, PAYLOAD_FACTOR } from "../limits.ts";

/** What memory there is, and what of it lies outside of our hands. */
export interface MemoryBudget {
  readonly budgetBytes: number;
  /** `tcp_wmem`: the kernel's own for a socket that is not read. */
  readonly sendBufferBytes: number;
}

export interface MemoryPlan {
  /** What is there without a connection: each part and its bytes. */
  readonly fixed: Readonly<Record<string, number>>;
  /** A connection whose queues are all full. */
  readonly fullBytes: number;
  /** A connection on the average that is planned for. */
  readonly connectionBytes: number;
  /** So many connections the budget holds. */
  readonly connections: number;
  /** The most that the process itself may take; the rest is the kernel's. */
  readonly ownBytes: number;
}

const MIB = 1_048_576;

/** Node, code, clients of Kafka and Redis, and room for V8 to work in; about 100 MB at rest. */
const PROCESS_BYTES = 160 * MIB;

/** Of the keys of `dedupMs`, each in a table of numbers. */
const KEY_BYTES = 24;
const CURSOR_BYTES = 512;
/** Measured with 200,000 removals of as many users. */
const RULING_BYTES = 704;
/** Messages, cursors, rulings: each is read by a reader of its own. */
const LOGS = 3;
const HEADERS_BYTES = 16_384;
/** Text in memory, and as the answer's bytes. */
const PAGE_FACTOR = 2;

/** Measured at rest: 6 to 9 kB; with some subscriptions and a session. */
const QUIET_BYTES = 16_384;
/** A publish is held as text and as a record, each with what stands around the body. */
const PUBLISH_FACTOR = 2;
const PUBLISH_OVERHEAD_BYTES = 4_096;
/** One batch may be handed over beyond the bound. */
const BATCH_BYTES = 65_536;

/** Fewer are no edge. */
const CONNECTIONS_MIN = 100;

/**
 * The bounds of limits.ts added up. Every connection at all its bounds at once would need more than
 * any machine has, so a set share of them is planned for; what comes beyond is the guard's, which
 * turns newcomers away. Throws when the budget holds too little for that, and says what to change.
 */
export function planMemory(limits: EdgeLimits, budget: MemoryBudget): MemoryPlan {
  const { budgetBytes, sendBufferBytes } = budget;
  const fixed = fixedParts(limits);
  const fixedBytes = Object.values(fixed).reduce((sum, bytes) => sum + bytes, 0);
  const fullBytes = ownFullBytes(limits) + sendBufferBytes;
  const connectionBytes = QUIET_BYTES + fullBytes * limits.fullConnectionsShare;
  const held = Math.floor((budgetBytes - fixedBytes) / connectionBytes);
  if (held < CONNECTIONS_MIN) {
    const neededBytes = fixedBytes + CONNECTIONS_MIN * connectionBytes;
    throw new Error(tooLittle(fixed, neededBytes, budgetBytes));
  }
  const connections = Math.min(held, limits.connectionsMax);
  const kernelBytes = connections * limits.fullConnectionsShare * sendBufferBytes;
  return { fixed, fullBytes, connectionBytes, connections, ownBytes: budgetBytes - kernelBytes };
}

function fixedParts(limits: EdgeLimits): Record<string, number> {
  const { announced } = limits;
  return {
    process: PROCESS_BYTES,
    "keys of dedupMs": limits.dedupKeysMax * KEY_BYTES,
    "newest bytes of the logs": LOGS * LOG_CACHE_BYTES,
    "index of blocks": limits.indexBytesMax,
    "frames of replays": limits.replayedBytesMax,
    "pages of history": limits.historyScansMax * limits.historyBytesMax * PAGE_FACTOR,
    "HTTP requests": limits.httpRequestsMax * announced.frameBytes,
    "handshakes that are looked at": limits.checksPendingMax * HEADERS_BYTES,
    "rulings of operators": limits.rulingsMax * RULING_BYTES,
    "cursors that wait for Redis": limits.pendingCursorsMax * CURSOR_BYTES,
  };
}

function ownFullBytes(limits: EdgeLimits): number {
  const { announced, bufferedBytesMax, answerBytesMax } = limits;
  const { bodyBytes, metaBytes, frameBytes, publishesInFlight } = announced;
  const publish = PUBLISH_FACTOR * (bodyBytes + metaBytes) + PUBLISH_OVERHEAD_BYTES;
  const out = bufferedBytesMax + BATCH_BYTES + answerBytesMax;
  return out + frameBytes * PAYLOAD_FACTOR + publishesInFlight * publish;
}

function tooLittle(
  fixed: Readonly<Record<string, number>>,
  neededBytes: number,
  budgetBytes: number,
): string {
  const parts = Object.entries(fixed).map(([name, bytes]) => `${name} ${mib(bytes)}`);
  return (
    `a memory of ${mib(budgetBytes)} MiB is too little: the bounds need ${mib(neededBytes)} MiB for ` +
    `${CONNECTIONS_MIN} connections (${parts.join(", ")}); give the process more, raise ` +
    "EDGE_MEMORY_MB, or lower these bounds in limits.ts"
  );
}

function mib(bytes: number): number {
  return Math.ceil(bytes / MIB);
}
