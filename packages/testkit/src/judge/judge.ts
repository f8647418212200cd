import { Acknowledgements } from "./acknowledgements.ts";
import { ConversationWindow } from "./conversation-window.ts";
import type { Acknowledged, Stored, Told } from "./evidence.ts";
import {
  type ConversationOffences,
  type Offence,
  type OffenceCounts,
  Offences,
} from "./offence.ts";
import { ReceiverJudge } from "./receiver-judge.ts";
import { type Repeats, TopicJudge } from "./topic-judge.ts";

export interface JudgeOptions {
  /** A key that stands in the topic again is an offence; otherwise it is only counted. */
  readonly strictKeys?: boolean;
  /** What a gap names need not come; otherwise each gap is an offence. */
  readonly gapsAllowed?: boolean;
  /** Every message was published by one whose acknowledgements are given: others are foreign. */
  readonly isComplete?: boolean;
  /** What a receiver must have in the end: up to the last acknowledged one, or whatever is stored. */
  readonly owed?: "acknowledged" | "everything";
}

/** What was found until now. */
export interface Verdict {
  readonly isProved: boolean;
  readonly messages: number;
  readonly conversations: number;
  readonly acknowledged: number;
  /** Frames of receivers. */
  readonly told: number;
  readonly repeatedKeys: number;
  readonly repeats: Repeats;
  readonly counts: OffenceCounts;
  /** The first ones of each kind and place. */
  readonly offences: readonly Offence[];
  readonly byConversation: readonly ConversationOffences[];
  /** What could not be judged, because its counterpart had been forgotten. */
  readonly unjudged: number;
}

const TELLING = new Set(["subd", "msg", "gap", "live"]);

const EVERYTHING = 2n ** 63n;

interface Conversation {
  readonly window: ConversationWindow;
  readonly receivers: Map<string, ReceiverJudge>;
}

/**
 * Holds topic, receivers' logs and acknowledgements against each other as they are read: per
 * conversation nothing missing, repeated, inverted, corrupted or foreign.
 *
 * Before a frame is judged, the topic is read up to what it speaks of, and `begin` is called before
 * the topic is read beyond where a receiver begins. What all receivers have passed is forgotten with
 * `prune`, so that memory follows how far the logs are apart, and not how long they are.
 */
export class Judge {
  readonly #options: JudgeOptions;
  readonly #offences = new Offences();
  readonly #acknowledgements: Acknowledgements;
  readonly #topic: TopicJudge;
  readonly #conversations = new Map<string, Conversation>();
  #messages = 0;
  #acknowledged = 0;
  #told = 0;
  #unjudged = 0;

  constructor(options: JudgeOptions = {}) {
    const { strictKeys = false, isComplete = false } = options;
    this.#options = options;
    const offences = this.#offences;
    this.#acknowledgements = new Acknowledgements(offences, isComplete);
    const acknowledgements = this.#acknowledgements;
    this.#topic = new TopicJudge({ offences, acknowledgements, isStrict: strictKeys });
  }

  /** The next message of its partition. */
  stored(message: Stored): void {
    this.#messages += 1;
    this.#topic.stored(message);
    const { window, receivers } = this.#conversation(message.c);
    if (receivers.size === 0) window.skip(message);
    else window.push(message);
  }

  acknowledged(acknowledged: Acknowledged): void {
    this.#acknowledged += 1;
    this.#acknowledgements.acknowledged(acknowledged);
  }

  /** That receiver will be told of the frame's conversation, from the frame's place on. */
  begin(receiver: string, frame: Told): void {
    if (frame.c !== undefined && isTelling(frame)) this.#receiver(receiver, frame.c, frame);
  }

  /** The next frame of that receiver; frames that tell nothing of a conversation are ignored. */
  told(receiver: string, frame: Told): void {
    if (frame.c === undefined || !isTelling(frame)) return;
    this.#told += 1;
    this.#receiver(receiver, frame.c, frame).told(frame);
  }

  prune(): void {
    for (const { window, receivers } of this.#conversations.values()) {
      const needed = [...receivers.values()].map(({ next }) => next);
      window.dropBefore(Math.min(window.end, ...needed));
    }
  }

  /** How far the topic has to be read for what receivers are owed until now: by partition. */
  get owedTo(): Map<number, bigint> {
    return this.#acknowledgements.owedTo;
  }

  /** How many messages receivers still have to be told. */
  get owed(): number {
    let owed = 0;
    for (const [c, { receivers }] of this.#conversations) {
      for (const receiver of receivers.values()) owed += receiver.owed(this.#until(c));
    }
    return owed;
  }

  /** The receivers' logs are over: what they are still owed is missing, and they need no more. */
  endReceivers(): void {
    for (const [c, { receivers }] of this.#conversations) {
      for (const receiver of receivers.values()) {
        receiver.end(this.#until(c));
        this.#unjudged += receiver.unjudged;
      }
      receivers.clear();
    }
    this.prune();
  }

  /** All has been read. */
  end(): Verdict {
    this.endReceivers();
    this.#acknowledgements.end();
    return this.verdict;
  }

  get verdict(): Verdict {
    const { repeats } = this.#topic;
    const { first, counts, byConversation } = this.#offences;
    return {
      isProved: first.length === 0,
      messages: this.#messages,
      conversations: this.#conversations.size,
      acknowledged: this.#acknowledged,
      told: this.#told,
      repeatedKeys: Object.values(repeats).reduce((sum, count) => sum + count, 0),
      repeats,
      counts,
      offences: first,
      byConversation,
      unjudged: this.#unjudged + this.#acknowledgements.unjudged,
    };
  }

  #until(c: string): bigint {
    return this.#options.owed === "everything" ? EVERYTHING : this.#acknowledgements.lastOf(c);
  }

  #receiver(receiver: string, c: string, frame: Told): ReceiverJudge {
    const { receivers, window } = this.#conversation(c);
    let own = receivers.get(receiver);
    if (own === undefined) {
      const { gapsAllowed = false } = this.#options;
      const { pos = "", prev = pos, after = prev } = frame;
      const parts = { receiver, c, window, offences: this.#offences, gapsAllowed };
      own = new ReceiverJudge({ ...parts, start: after });
      receivers.set(receiver, own);
    }
    return own;
  }

  #conversation(c: string): Conversation {
    let conversation = this.#conversations.get(c);
    if (conversation === undefined) {
      conversation = { window: new ConversationWindow(), receivers: new Map() };
      this.#conversations.set(c, conversation);
    }
    return conversation;
  }
}

function isTelling({ t, pos }: Told): boolean {
  return TELLING.has(t) && pos !== undefined;
}

/** The same for what a test has in its hands. Whatever is stored is owed, unless said otherwise. */
export function judge(
  evidence: {
    readonly stored: readonly Stored[];
    /** Frames by receiver, in the order in which they came, also over several connections. */
    readonly told: Readonly<Record<string, readonly Told[]>>;
    readonly acknowledged?: readonly Acknowledged[];
  },
  options: JudgeOptions = {},
): Verdict {
  const { stored, told, acknowledged = [] } = evidence;
  const court = new Judge({ owed: "everything", ...options });
  const frames = Object.entries(told).flatMap(([receiver, all]) =>
    all.map((frame) => [receiver, frame] as const),
  );
  for (const [receiver, frame] of frames) court.begin(receiver, frame);
  for (const one of acknowledged) court.acknowledged(one);
  for (const message of stored) court.stored(message);
  for (const [receiver, frame] of frames) court.told(receiver, frame);
  return court.end();
}
