import { assert } from "@millrace/runtime";
import type { AnnouncedLimits } from "@millrace/schemas";

/**
 * Every bound of the edge, in one place. What `welcome` announces is `announced`; the rest is ours.
 * Tests raise or lower single values; `assertLimits` holds the relations between them.
 */
export interface EdgeLimits {
  readonly announced: AnnouncedLimits;
  /** Bytes the socket may have taken and not yet written; beyond it the reader is lagging. */
  readonly bufferedBytesMax: number;
  /** A lagging reader is fed again once its socket holds no more than this. */
  readonly bufferedBytesLow: number;
  /** Frames due to one socket within one turn of the loop; beyond it the reader is lagging. */
  readonly dueBytesMax: number;
  /** Answers waiting for a full socket; beyond it the connection is closed with 4450. */
  readonly answerBytesMax: number;
  /** Frames that a connection may send at once; `framesPerSec` fills it again. */
  readonly frameBurst: number;
  /** So many frames refused within `floodMs` are a flood: the connection is closed with 4450. */
  readonly floodRefusals: number;
  readonly floodMs: number;
  /** How long a lagging line may make no progress at all before it is closed with 4458. */
  readonly laggingPatienceMs: number;
  /** Sockets written in one turn before other events get theirs. */
  readonly flushesPerTurn: number;
  /** How much of a conversation a catch-up hands over before others have their turn. */
  readonly catchUpBytes: number;
  /** Size of one read of the log for a catch-up. */
  readonly readBytes: number;
  /** Blocks of the index that an edge keeps in memory, 8 bytes a message. */
  readonly indexBytesMax: number;
  /** Frames of messages that are being replayed, for all who come back for the same. */
  readonly replayedBytesMax: number;
  /** For so long after it was written a block of the index is kept for all edges. */
  readonly indexKeepMs: number;
  /** A publish that is not in the log by then is answered with `unavailable`. */
  readonly publishDeadlineMs: number;
  /** A key that is being appended is kept from others for that long after the last renewal. */
  readonly dedupLeaseMs: number;
  /** Keys that an edge remembers of the newest records, about 24 bytes each. */
  readonly dedupKeysMax: number;
  /** Publishes with a key, over all edges, for which that many keys must reach back `dedupMs`. */
  readonly dedupKeysPerSec: number;
  /** A subscribe whose partition can't be read by then is answered with `unavailable`. */
  readonly subscribeDeadlineMs: number;
  /** When no partition was heard of for so long, newcomers are sent away with 503. */
  readonly logSilenceMs: number;
  /** For how long a position beyond the end is asked about before it is called truncated. */
  readonly truncationPatienceMs: number;
  /** Conversations of one connection whose failed publish is remembered for `behind`. */
  readonly brokenChainsMax: number;
  /** Cursors that wait for Redis; beyond it the newest acknowledgement is refused. */
  readonly pendingCursorsMax: number;
  /** Acknowledgements of one cursor are folded for that long before they are written. */
  readonly cursorFoldMs: number;
  /** A session is written, and looked at, that often while its connection lives. */
  readonly sessionTouchMs: number;
  /** Subscriptions of a session are gathered for that long before they are written. */
  readonly sessionSaveMs: number;
  /** A cursor goes to the topic of cursors at most once in that time. */
  readonly cursorJournalMs: number;
  /** For so long a subscription waits for its cursor while it can't be known. */
  readonly cursorPatienceMs: number;
  /** For what is on its way to that topic, when it is read. */
  readonly cursorMarginMs: number;
  /** HTTP requests in progress, each with a body of at most `frameBytes`; beyond it 503. */
  readonly httpRequestsMax: number;
  /** Pages of history being read at once; beyond it 503. */
  readonly historyScansMax: number;
  /** Those of one user; beyond it 429. */
  readonly historyScansPerUser: number;
  /** Messages of one page as text; a page that would be larger holds fewer. */
  readonly historyBytesMax: number;
  /** A page that is read forward ends there, full or not, and says where to go on. */
  readonly historyScanMs: number;
  /** For how long a ticket may be used. */
  readonly ticketMs: number;
  /** Each further so many bytes of a message count as one frame more. */
  readonly bytesPerFrame: number;
  /** Subscribes of one connection; it may ask for all of its `subscriptions` at once. */
  readonly subscribesPerSec: number;
  /** Publishes of a user that an edge lets through before it tells the others of them. */
  readonly publishesPerReport: number;
  readonly connectionsPerUser: number;
  readonly connectionsPerAddress: number;
  readonly handshakesPerAddress: number;
  /** Requests that open no connection, of one address. Servers publish for many users. */
  readonly requestsPerAddress: number;
  /** Of all addresses together; beyond it 503. */
  readonly handshakesPerSec: number;
  readonly handshakeBurst: number;
  /** Handshakes and requests whose credential is being looked at; beyond it 503. */
  readonly checksPendingMax: number;
  /** Connections of this edge; fewer where memory or descriptors hold no more. Beyond it 503. */
  readonly connectionsMax: number;
  /** By how much the event loop may be late, smoothed; beyond it newcomers get 503. */
  readonly loopLateMsMax: number;
  /** Share of the memory's budget, and of V8's heap, from which on newcomers get 503. */
  readonly memoryShareMax: number;
  /** Share of connections that memory is planned for as being at all their bounds at once. */
  readonly fullConnectionsShare: number;
  /** Descriptors that clients never get: Kafka, Redis and the metrics need some to come back. */
  readonly descriptorReserve: number;
  /** Rulings of operators that hold at once; beyond it another one is refused. */
  readonly rulingsTaken: number;
  /** So many an edge can keep, about 0.7 KiB each; beyond it, it serves nobody. */
  readonly rulingsMax: number;
  /** Weights of edges that operators have ordered; beyond it another one is refused. */
  readonly weightsTaken: number;
  /** So many an edge keeps, whoever has written them. */
  readonly weightsMax: number;
}

export const LIMITS: EdgeLimits = {
  announced: {
    frameBytes: 131_072,
    bodyBytes: 16_384,
    metaBytes: 1_024,
    subscriptions: 500,
    publishPerSec: 50,
    publishBurst: 100,
    publishesInFlight: 64,
    framesPerSec: 200,
    dedupMs: 3_600_000,
  },
  bufferedBytesMax: 65_536,
  bufferedBytesLow: 16_384,
  dueBytesMax: 1_048_576,
  answerBytesMax: 65_536,
  frameBurst: 1_000,
  floodRefusals: 100,
  floodMs: 10_000,
  laggingPatienceMs: 600_000,
  flushesPerTurn: 512,
  catchUpBytes: 65_536,
  readBytes: 1_048_576,
  indexBytesMax: 33_554_432,
  replayedBytesMax: 16_777_216,
  indexKeepMs: 604_800_000,
  publishDeadlineMs: 5_000,
  dedupLeaseMs: 10_000,
  dedupKeysMax: 4_000_000,
  dedupKeysPerSec: 1_000,
  subscribeDeadlineMs: 5_000,
  logSilenceMs: 10_000,
  truncationPatienceMs: 2_000,
  brokenChainsMax: 1_000,
  pendingCursorsMax: 100_000,
  cursorFoldMs: 250,
  sessionTouchMs: 30_000,
  sessionSaveMs: 500,
  cursorJournalMs: 3_000,
  cursorPatienceMs: 3_000,
  cursorMarginMs: 1_500,
  httpRequestsMax: 256,
  historyScansMax: 16,
  historyScansPerUser: 4,
  historyBytesMax: 1_048_576,
  historyScanMs: 5_000,
  ticketMs: 30_000,
  bytesPerFrame: 16_384,
  subscribesPerSec: 50,
  publishesPerReport: 10,
  connectionsPerUser: 64,
  connectionsPerAddress: 1_000,
  handshakesPerAddress: 100,
  requestsPerAddress: 1_000,
  handshakesPerSec: 2_000,
  handshakeBurst: 1_000,
  checksPendingMax: 1_000,
  connectionsMax: 50_000,
  loopLateMsMax: 500,
  memoryShareMax: 0.9,
  fullConnectionsShare: 1 / 32,
  descriptorReserve: 48,
  rulingsTaken: 95_000,
  rulingsMax: 100_000,
  weightsTaken: 1_000,
  weightsMax: 1_100,
};

/**
 * So many times `frameBytes` the socket's library collects of one message before it cuts the line:
 * room enough to tell the client with 1009 of a message that is not far too large.
 */
export const PAYLOAD_FACTOR = 4;

/** Header fields, ids and Avro framing beside body and meta; the test measures it. */
const RECORD_OVERHEAD_BYTES = 4_096;

/** 8,192 messages of 8 bytes each, and what the object costs. */
const BLOCK_BYTES_MAX = 66_000;

/** Kafka's own default for a batch, `message.max.bytes`. */
const BROKER_RECORD_BYTES = 1_048_588;

/** Beside a publish there is an acknowledgement, a subscription, a ping. */
const FRAMES_PER_PUBLISH = 4;
const FRAME_BURST_SECONDS = 5;

/** With the rate that the operator has chosen; the rate of frames grows with it. */
export function withPublishRate(
  limits: EdgeLimits,
  rate: Pick<AnnouncedLimits, "publishPerSec" | "publishBurst">,
): EdgeLimits {
  const { publishPerSec, publishBurst } = rate;
  const framesPerSec = Math.max(
    limits.announced.framesPerSec,
    FRAMES_PER_PUBLISH * publishPerSec,
    Math.ceil(publishBurst / FRAME_BURST_SECONDS),
  );
  return {
    ...limits,
    announced: { ...limits.announced, publishPerSec, publishBurst, framesPerSec },
    frameBurst: Math.max(limits.frameBurst, FRAME_BURST_SECONDS * framesPerSec),
  };
}

/** The relations that the bounds must keep; a violation is a defect in the configuration. */
export function assertLimits(limits: EdgeLimits): void {
  const { announced } = limits;
  assert(announced.bodyBytes + announced.metaBytes < announced.frameBytes, "a body fits its frame");
  assert(announced.publishPerSec <= announced.framesPerSec, "every publish in its rate is a frame");
  assert(announced.publishBurst <= limits.frameBurst, "a burst of publishes is no flood of frames");
  assert(limits.bufferedBytesLow < limits.bufferedBytesMax, "a reader drains before it is fed");
  assert(limits.catchUpBytes <= limits.dueBytesMax, "one helping of a catch-up is never lagging");
  assert(limits.historyScansMax < limits.httpRequestsMax, "history leaves room for publishes");
  assert(
    limits.rulingsTaken < limits.rulingsMax,
    "rulings of several edges at once don't stop every edge",
  );
  assert(limits.weightsTaken < limits.weightsMax, "weights of several edges at once are all kept");
  assert(limits.historyScansPerUser < limits.historyScansMax, "no user takes all of history");
  assert(limits.indexBytesMax >= 16 * BLOCK_BYTES_MAX, "what is asked for at once fits the index");
  assert(
    limits.frameBurst >= announced.frameBytes / limits.bytesPerFrame,
    "the largest message is no flood",
  );
  assert(
    limits.connectionsPerUser <= limits.connectionsPerAddress,
    "a user's connections may all come from one address",
  );
  assert(limits.handshakesPerAddress < limits.handshakesPerSec, "no address takes all handshakes");
  assert(limits.handshakeBurst <= limits.checksPendingMax, "a burst of handshakes is looked at");
  assert(limits.connectionsPerUser < limits.connectionsMax, "no user takes all connections");
  assert(
    limits.dedupLeaseMs >= 2 * limits.publishDeadlineMs,
    "a publish that was not sent in time is given up long before its key is free for others",
  );
  assert(
    (announced.dedupMs / 1_000) * limits.dedupKeysPerSec <= limits.dedupKeysMax,
    "the keys of dedupMs fit the window",
  );
  assert(
    announced.bodyBytes + announced.metaBytes + RECORD_OVERHEAD_BYTES < BROKER_RECORD_BYTES,
    "every body that is let in fits a record",
  );
}
