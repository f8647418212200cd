import {
  type AnnouncedLimits,
  type DownFrame,
  type ErrFrame,
  TYPE_BYTES_MAX,
  isValidUnicode,
  parseConversation,
  parseMessageKey,
  utf8Length,
} from "@millrace/schemas";
import type { CancellableTimer, Environment } from "./environment.ts";
import { type ClientErrorCode, MillraceError, errorOf, isRetryable } from "./errors.ts";
import { Pace } from "./pace.ts";
import { Lane } from "./publish-lane.ts";
import type { Wire } from "./wire.ts";

export interface PublishOptions {
  /** The message's own id; default a random one. The same key again appends nothing. */
  readonly key?: string;
  readonly type?: string;
  readonly meta?: Readonly<Record<string, string>>;
  /** The position of a message that this one is about. */
  readonly ref?: string;
  readonly op?: "edit" | "delete";
}

export interface Published {
  readonly pos: string;
  /** The log's append time, milliseconds since 1970. */
  readonly ts: number;
  readonly key: string;
  /** It stood there already. */
  readonly isDuplicate: boolean;
}

export interface Entry {
  readonly conversation: string;
  readonly key: string;
  readonly frame: object;
  readonly bodyBytes: number;
  readonly metaBytes: number;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: MillraceError) => void;
  readonly timer: CancellableTimer;
  /** Sent once without an answer that says what became of it. */
  isUnknown: boolean;
  /** The caller has its answer; the place in the order stays. */
  isSettled: boolean;
}

export interface PublisherOptions {
  readonly wire: Wire;
  readonly environment: Environment;
  readonly randomKey: () => string;
  /** How long a publish may take before its caller hears `timed-out`. */
  readonly timeoutMs: number;
}

/** What may wait for the line; beyond it a publish fails to its caller. */
const WAITING_MAX = 1_000;
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const IN_FLIGHT_MAX = 64;
/** Of the server's burst: what leaves in one second may arrive in less. */
const BURST_SHARE = 0.9;

/**
 * Publishes on their way. Each settles exactly once; those of one conversation are appended in the
 * order of their calls, whatever has to be sent again: docs/protocol.md §3, and {@link Lane}.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #lanes = new Map<string, Lane>();
  #waiting = 0;
  #waitingBytes = 0;
  #inFlight = 0;
  #pace: { readonly of: AnnouncedLimits; readonly pace: Pace } | undefined;
  #timer: CancellableTimer | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  publish(conversation: string, body: string, options: PublishOptions): Promise<Published> {
    const key = options.key ?? this.#options.randomKey();
    const bodyBytes = utf8Length(body);
    const problem =
      problemOf(conversation, body, { ...options, key }) ??
      this.#tooLarge(bodyBytes) ??
      this.#full(bodyBytes);
    if (problem !== undefined) return Promise.reject(problem);
    return new Promise((resolve, reject) => {
      const { type, meta, ref, op } = options;
      const entry: Entry = {
        conversation,
        key,
        frame: { t: "pub", c: conversation, key, type, meta, ref, op, body },
        bodyBytes,
        metaBytes: meta === undefined ? 0 : utf8Length(JSON.stringify(meta)),
        resolve,
        reject,
        timer: this.#options.environment.clock.after(this.#options.timeoutMs, () =>
          this.#expire(entry),
        ),
        isUnknown: false,
        isSettled: false,
      };
      this.#waiting += 1;
      this.#waitingBytes += bodyBytes;
      this.#laneOf(conversation).add(entry);
      this.#pump();
    });
  }

  /** The line is up: what was under way goes first, with the same keys. */
  onReady(): void {
    this.onLost();
    this.#pump();
  }

  onLost(): void {
    this.#inFlight = 0;
    for (const lane of this.#lanes.values()) lane.onLost();
  }

  /** A frame that no server will take; it was the largest one, and is not sent again. */
  onTooLarge(): void {
    const inFlight = [...this.#lanes.values()].flatMap((lane) => lane.inFlight);
    const [largest] = inFlight.toSorted((a, b) => b.bodyBytes - a.bodyBytes);
    if (largest !== undefined) this.#fail(largest, tooLarge("the frame"));
  }

  close(error: MillraceError): void {
    const entries = [...this.#lanes.values()].flatMap((lane) => lane.entries());
    this.#lanes.clear();
    this.#timer?.cancel();
    for (const entry of entries) this.#fail(entry, error);
  }

  #laneOf(conversation: string): Lane {
    let lane = this.#lanes.get(conversation);
    if (lane === undefined) {
      lane = new Lane(this.#options.environment, () => this.#pump());
      this.#lanes.set(conversation, lane);
    }
    return lane;
  }

  /** For good: `queue-full` would have its caller try again for ever. */
  #tooLarge(bytes: number): MillraceError | undefined {
    const announced = this.#options.wire.limits?.bodyBytes ?? Number.POSITIVE_INFINITY;
    return bytes > Math.min(announced, WAITING_BYTES_MAX) ? tooLarge("the body") : undefined;
  }

  #full(bytes: number): MillraceError | undefined {
    const isFull = this.#waiting >= WAITING_MAX || this.#waitingBytes + bytes > WAITING_BYTES_MAX;
    return isFull ? refusal("queue-full", "too many publishes wait for an answer") : undefined;
  }

  /** One of each conversation in turn, so that none has to wait for another's long queue. */
  #pump(): void {
    const { wire } = this.#options;
    const { limits } = wire;
    if (!wire.isUp || limits === undefined) return;
    const inFlightMax = Math.min(IN_FLIGHT_MAX, limits.publishesInFlight);
    for (const [conversation, lane] of this.#lanes) {
      if (this.#inFlight >= inFlightMax || this.#isTooSoon(limits)) return;
      const entry = lane.next();
      if (entry === undefined && !lane.isEmpty) continue;
      this.#lanes.delete(conversation);
      if (entry === undefined) continue;
      // Set anew it stands last, and this very loop comes to it again.
      this.#lanes.set(conversation, lane);
      this.#send(lane, entry, limits);
    }
  }

  /** The rate is the user's, and outlives the connection: so does what was spent of it. */
  #paceOf(limits: AnnouncedLimits): Pace {
    const { publishPerSec: perSec, publishBurst } = limits;
    const known = this.#pace;
    if (known?.of.publishPerSec === perSec && known.of.publishBurst === publishBurst) {
      return known.pace;
    }
    const burst = Math.floor(publishBurst * BURST_SHARE);
    const pace = new Pace(this.#options.environment.clock, { perSec, burst });
    this.#pace = { of: limits, pace };
    return pace;
  }

  #isTooSoon(limits: AnnouncedLimits): boolean {
    const waitMs = this.#paceOf(limits).waitMs();
    if (waitMs === 0) return false;
    this.#timer?.cancel();
    this.#timer = this.#options.environment.clock.after(waitMs, () => this.#pump());
    return true;
  }

  #send(lane: Lane, entry: Entry, limits: AnnouncedLimits): void {
    if (entry.isSettled) return;
    if (entry.bodyBytes > limits.bodyBytes) return this.#fail(entry, tooLarge("the body"));
    if (entry.metaBytes > limits.metaBytes) return this.#fail(entry, tooLarge("meta"));
    const behind = lane.lastId === undefined ? {} : { behind: lane.lastId };
    const id = this.#options.wire.request({ ...entry.frame, ...behind }, (answer) =>
      this.#answered(lane, entry, answer),
    );
    this.#paceOf(limits).spend();
    this.#inFlight += 1;
    lane.sent(entry, id);
  }

  #answered(lane: Lane, entry: Entry, answer: DownFrame): void {
    this.#inFlight -= 1;
    if (answer.t === "pubd") {
      lane.appended(entry);
      this.#settle(entry);
      const { pos, ts, dup = false } = answer;
      entry.resolve({ pos, ts, key: entry.key, isDuplicate: dup });
    } else if (answer.t === "err") this.#refused(lane, entry, answer);
    this.#pump();
  }

  #refused(lane: Lane, entry: Entry, err: ErrFrame): void {
    if (err.unknown === true) entry.isUnknown = true;
    if (err.code === "rate-limited") this.#pace?.pace.empty(err.retryMs ?? 0);
    if (isRetryable(err.code)) return lane.again(entry, err);
    lane.broke(entry);
    this.#fail(entry, errorOf(err));
  }

  #expire(entry: Entry): void {
    const lane = this.#lanes.get(entry.conversation);
    const isUnknown = entry.isUnknown || lane?.inFlight.includes(entry) === true;
    const message = isUnknown
      ? "nobody has said whether it was appended; the same key settles it"
      : "it could not be sent in time, and is not in the log";
    const details = { code: "timed-out", isRetryable: true, isUnknown } as const;
    this.#fail(entry, new MillraceError(message, details));
    lane?.forget(entry);
    this.#pump();
  }

  #fail(entry: Entry, error: MillraceError): void {
    if (!entry.isSettled) entry.reject(error);
    this.#settle(entry);
  }

  #settle(entry: Entry): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    entry.timer.cancel();
    this.#waiting -= 1;
    this.#waitingBytes -= entry.bodyBytes;
  }
}

/** What the server would refuse for its form is refused here, and costs no round trip. */
function problemOf(
  conversation: string,
  body: string,
  { key, type, meta }: PublishOptions,
): MillraceError | undefined {
  if (parseConversation(conversation) === undefined) {
    return refusal("bad-conversation", `${JSON.stringify(conversation)} is no conversation id`);
  }
  if (!isValidUnicode(body)) return refusal("bad-body", "the body has a lone surrogate");
  const texts = Object.entries(meta ?? {}).flat();
  if (!texts.every(isValidUnicode)) return refusal("bad-body", "meta has a lone surrogate");
  if (parseMessageKey(key) === undefined) {
    return refusal("bad-key", "a key has 1 to 64 characters of printable ASCII");
  }
  if (type !== undefined && utf8Length(type) > TYPE_BYTES_MAX) {
    return refusal("bad-frame", `type has more than ${TYPE_BYTES_MAX} bytes`);
  }
  return undefined;
}

function refusal(code: ClientErrorCode, message: string): MillraceError {
  return new MillraceError(message, { code, isRetryable: code === "queue-full" });
}

function tooLarge(what: string): MillraceError {
  return refusal("body-too-large", `${what} has more bytes than the server takes`);
}
