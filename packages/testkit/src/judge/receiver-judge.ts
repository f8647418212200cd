import type { ConversationWindow } from "./conversation-window.ts";
import { type Stored, type Told, offsetOf } from "./evidence.ts";
import type { OffenceKind, Offences } from "./offence.ts";

/** More than these are counted as missing at once, and would be as `repeated` if they still came. */
const PASSED_MAX = 10_000;

export interface ReceiverJudgeOptions {
  readonly receiver: string;
  readonly c: string;
  readonly window: ConversationWindow;
  readonly offences: Offences;
  /** A gap covers what it names, instead of being an offence. */
  readonly gapsAllowed: boolean;
  /** The position after which the first frame told it to begin. */
  readonly start: string;
}

/**
 * Holds what one receiver was told of one conversation, in order, against the topic. The messages
 * that a frame speaks of are in the window before the frame is judged.
 *
 * It goes on after an offence: what was passed over is kept, so that a message that comes late is
 * told from one that never comes, and one swapped pair is one offence.
 */
export class ReceiverJudge {
  readonly #options: ReceiverJudgeOptions;
  /** Passed over, and not come so far. */
  readonly #passed = new Map<string, Stored>();
  /** Told last: what the next frame must continue. */
  #position: string | undefined;
  #highest: bigint;
  /** Nothing up to there is owed. */
  #start: bigint;
  #next: number;
  /** Frames of messages that were forgotten before it began. */
  unjudged = 0;

  constructor(options: ReceiverJudgeOptions) {
    this.#options = options;
    this.#start = offsetOf(options.start);
    this.#highest = this.#start;
    this.#next = options.window.indexBehind(this.#start);
  }

  /** What of the window it still needs. */
  get next(): number {
    this.#upcoming();
    return this.#next;
  }

  /** How many it has not been told that it is owed up to there. */
  owed(until: bigint): number {
    const { window } = this.#options;
    return this.#passed.size + Math.max(0, window.indexBehind(until) - this.next);
  }

  told(frame: Told): void {
    const { t, pos = "", prev, after } = frame;
    if (t === "subd" && this.#position !== undefined && pos !== this.#position) {
      this.#offend("broken", pos, `a resume after ${this.#position} began at ${pos}`);
    }
    const begins = t === "msg" ? prev : t === "gap" ? after : this.#position;
    const isContinued = begins === this.#position;
    const before = `${t} at ${pos} continues ${begins}, but ${this.#position} was told last`;
    // After one that came again the chain goes on where it was.
    if (t !== "msg" || offsetOf(pos) > this.#highest) this.#position = pos;
    const isClean = t === "msg" ? this.#message(frame) : t !== "gap" || this.#gap(frame);
    if (!isContinued && isClean) this.#offend("broken", pos, before);
  }

  /** Nothing more comes: what is owed up to there and was not told is missing. */
  end(until: bigint): void {
    for (const stored of this.#passed.values()) this.#missing(stored, until);
    this.#passed.clear();
    for (let stored = this.#take(); stored !== undefined; stored = this.#take()) {
      this.#missing(stored, until);
    }
  }

  #message(frame: Told): boolean {
    const { pos = "" } = frame;
    const offset = offsetOf(pos);
    if (offset <= this.#highest) return this.#again(pos);
    const hasSkipped = this.#passTo(offset);
    this.#highest = offset;
    const { window } = this.#options;
    const stored = this.#upcoming();
    if (stored?.pos !== pos) {
      if (offset <= window.droppedTo) this.unjudged += 1;
      else this.#offend("foreign", pos, `${pos} is not in the topic`);
      return false;
    }
    this.#next += 1;
    const { from, key, body } = frame;
    // A message without a key has an empty one in the topic's words.
    const isSame = stored.from === from && stored.key === (key ?? "") && stored.body === body;
    if (!isSame) this.#offend("corrupted", pos, `${pos} is not what the topic holds`);
    return isSame && !hasSkipped;
  }

  #again(pos: string): boolean {
    const isLate = this.#passed.delete(pos);
    const text = `${pos} came after ${this.#highest} had been told`;
    this.#offend(isLate ? "inverted" : "repeated", pos, isLate ? text : `${text}, again`);
    return false;
  }

  #gap({ after, pos = "" }: Told): boolean {
    const offset = offsetOf(pos);
    const { gapsAllowed } = this.#options;
    if (gapsAllowed) this.#start = offset;
    else this.#offend("gap", pos, `a gap from ${after} to ${pos}`);
    // In another incarnation offsets begin anew.
    this.#highest = offset;
    return gapsAllowed;
  }

  /** Steps over what stands before that offset. */
  #passTo(offset: bigint): boolean {
    let hasSkipped = false;
    for (;;) {
      const stored = this.#upcoming();
      if (stored === undefined || offsetOf(stored.pos) >= offset) return hasSkipped;
      hasSkipped = true;
      this.#next += 1;
      if (this.#passed.size < PASSED_MAX) this.#passed.set(stored.pos, stored);
      else this.#missing(stored, offset);
    }
  }

  /** The next message that is owed, as far as the topic has been read. */
  #upcoming(): Stored | undefined {
    for (;;) {
      const stored = this.#options.window.at(this.#next);
      if (stored === undefined || offsetOf(stored.pos) > this.#start) return stored;
      this.#next += 1;
    }
  }

  #take(): Stored | undefined {
    const stored = this.#upcoming();
    if (stored !== undefined) this.#next += 1;
    return stored;
  }

  #missing({ pos, from, key }: Stored, until: bigint): void {
    if (offsetOf(pos) > until) return;
    this.#offend("missing", pos, `the message at ${pos} (${from} ${key}) never came`);
  }

  #offend(kind: OffenceKind, pos: string, text: string): void {
    const { receiver: where, c, offences } = this.#options;
    offences.add({ kind, where, c, pos, text });
  }
}
