import { BATCH_FRAMES_MAX, LAST_MAX } from "@millrace/schemas";
import type { EdgeLimits } from "./limits.ts";

interface LimitShape {
  /** One sentence without its full stop. */
  readonly meaning: string;
  readonly value: (limits: EdgeLimits) => string;
  /** What whoever goes beyond it is told. */
  readonly outcome: string;
}

const BEHIND = "falls behind: is fed from the log as it reads";
const NEWCOMERS = "503 with `Retry-After` (1 to 4 s by chance)";
const TOO_MANY = "429 with `Retry-After`";
const LIMITED = "`err rate-limited` with `retryMs`";
const FLOOD = "; 100 of them within 10 s: close 4450";

/**
 * The limits that a client or an operator can meet, and what happens there. `npm run check -- --write`
 * puts them into docs/operations.md; the names are those of `millrace_limited_total`.
 */
export const LIMIT_TABLE = {
  connections: {
    meaning: "connections of an edge; fewer where its memory or its descriptors hold no more",
    value: ({ connectionsMax }) => count(connectionsMax),
    outcome: NEWCOMERS,
  },
  connectionsPerUser: {
    meaning: "connections of a user, on each edge",
    value: ({ connectionsPerUser }) => count(connectionsPerUser),
    outcome: TOO_MANY,
  },
  connectionsPerAddress: {
    meaning: "connections of an address, on each edge; loopback is unlimited",
    value: ({ connectionsPerAddress }) => count(connectionsPerAddress),
    outcome: TOO_MANY,
  },
  handshakes: {
    meaning: "handshakes with a good credential, of all together",
    value: (l) => `${count(l.handshakesPerSec)}/s, ${count(l.handshakeBurst)} at once`,
    outcome: NEWCOMERS,
  },
  handshakesPerAddress: {
    meaning: "handshakes, and requests over HTTP, of an address; loopback is unlimited",
    value: (l) => `${count(l.handshakesPerAddress)}/s, ${count(l.requestsPerAddress)}/s`,
    outcome: TOO_MANY,
  },
  checksPending: {
    meaning: "credentials that are being looked at",
    value: ({ checksPendingMax }) => count(checksPendingMax),
    outcome: NEWCOMERS,
  },
  memory: {
    meaning: "share of `EDGE_MEMORY_MB`, without the kernel's part, or of V8's heap",
    value: ({ memoryShareMax }) => `${memoryShareMax * 100} %`,
    outcome: `${NEWCOMERS}; not ready`,
  },
  descriptors: {
    meaning: "descriptors that are left for Kafka, Redis and the metrics",
    value: ({ descriptorReserve }) => count(descriptorReserve),
    outcome: `${NEWCOMERS}; not ready; with a third of them left the edge stops listening`,
  },
  loopLate: {
    meaning: "lateness of the event loop, smoothed",
    value: ({ loopLateMsMax }) => `${loopLateMsMax} ms`,
    outcome: NEWCOMERS,
  },
  frames: {
    meaning:
      "frames of a connection; WebSocket pings and pongs count, and each 16 KiB of a message one more",
    value: (l) => `${count(l.announced.framesPerSec)}/s, ${count(l.frameBurst)} at once`,
    outcome: LIMITED + FLOOD,
  },
  subscribes: {
    meaning: "subscribes of a connection",
    value: (l) => `${l.subscribesPerSec}/s, ${l.announced.subscriptions} at once`,
    outcome: LIMITED + FLOOD,
  },
  publishes: {
    meaning: "publishes of a user, over all edges, WebSocket and HTTP",
    value: (l) => `${l.announced.publishPerSec}/s, ${l.announced.publishBurst} at once`,
    outcome: `${LIMITED}; over HTTP 429`,
  },
  publishesInFlight: {
    meaning: "publishes without an answer, of a connection; of a user over HTTP",
    value: ({ announced }) => count(announced.publishesInFlight),
    outcome: "`err too-many-in-flight` with `retryMs`; over HTTP 429",
  },
  subscriptions: {
    meaning: "subscriptions of a connection",
    value: ({ announced }) => count(announced.subscriptions),
    outcome: "`err too-many-subscriptions`",
  },
  batch: {
    meaning: "frames in one message from a client",
    value: () => count(BATCH_FRAMES_MAX),
    outcome: "close 4400",
  },
  publishTime: {
    meaning: "time of a publish until it is in the log",
    value: ({ publishDeadlineMs }) => `${publishDeadlineMs / 1_000} s`,
    outcome: "`err unavailable`, with `unknown` where it may be in the log; over HTTP 503",
  },
  frameBytes: {
    meaning: "bytes of one message from a client",
    value: ({ announced }) => bytes(announced.frameBytes),
    outcome: "close 1009; beyond four times of it the line is cut",
  },
  bodyBytes: {
    meaning: "bytes of a body, and of `meta`",
    value: ({ announced }) => `${bytes(announced.bodyBytes)}, ${bytes(announced.metaBytes)}`,
    outcome: "`err body-too-large`; over HTTP 413",
  },
  bufferedBytes: {
    meaning: "bytes that a socket has taken and the kernel has not",
    value: ({ bufferedBytesMax }) => bytes(bufferedBytesMax),
    outcome: BEHIND,
  },
  dueBytes: {
    meaning: "bytes due to a socket within one turn",
    value: ({ dueBytesMax }) => bytes(dueBytesMax),
    outcome: BEHIND,
  },
  answerBytes: {
    meaning: "answers that wait for a full socket",
    value: ({ answerBytesMax }) => bytes(answerBytesMax),
    outcome: "close 4450",
  },
  httpRequests: {
    meaning: "requests over HTTP that are being answered",
    value: ({ httpRequestsMax }) => count(httpRequestsMax),
    outcome: "503 with `Retry-After`",
  },
  history: {
    meaning: "pages of history that are being read, and those of a user",
    value: (l) => `${l.historyScansMax}, ${l.historyScansPerUser}`,
    outcome: "503, and 429, with `Retry-After`",
  },
  historyPage: {
    meaning: "messages of a page of history, their bytes, and its time when it is read forward",
    value: (l) => `${count(LAST_MAX)}, ${bytes(l.historyBytesMax)}, ${l.historyScanMs / 1_000} s`,
    outcome: "it ends there, and its `pos` says where to go on",
  },
  rulings: {
    meaning: "rulings of operators that hold, before another is refused, and that an edge can keep",
    value: (l) => `${count(l.rulingsTaken)}, ${count(l.rulingsMax)}`,
    outcome: "another one is refused; nobody is served: 503, close 4503",
  },
  weights: {
    meaning: "weights of edges that operators have ordered, before another is refused",
    value: (l) => count(l.weightsTaken),
    outcome: "another one is refused",
  },
  pendingCursors: {
    meaning: "cursors that wait for Redis",
    value: ({ pendingCursorsMax }) => count(pendingCursorsMax),
    outcome: "`err unavailable` for the newest acknowledgement",
  },
} as const satisfies Readonly<Record<string, LimitShape>>;

export type LimitName = keyof typeof LIMIT_TABLE;

/** Header and rows of the docs' table of the limits. */
export function limitRows(limits: EdgeLimits): string[][] {
  const rows = Object.entries<LimitShape>(LIMIT_TABLE).map(
    ([name, { meaning, value, outcome }]) => [`\`${name}\``, meaning, value(limits), outcome],
  );
  return [["limit", "of what", "value", "beyond it"], ...rows];
}

function count(number: number): string {
  return number.toLocaleString("en-US");
}

function bytes(number: number): string {
  return `${count(number / 1_024)} KiB`;
}
