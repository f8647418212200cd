import { Acknowledgements } from "./acknowledgements.ts";
import { ConversationWindow } from "./conversation-window.ts";
import { type Acknowledged, type Stored, type Told } from "./evidence.ts";
import { type Offence, type OffenceKind, Offences } from "./offence.ts";
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
  readonly counts: Record<OffenceKind, number>;
  /** The first ones of each kind and place. */
  readonly offences: readonly Offence[];
  /** What could not be judged, because its counterpart had been forgotten. */
  readonly unjudged: number;
  /** What receivers have passed over so far; at the end it is missing. */
  readonly passedOver: number;
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
    this.#conversation(message.c).window.push(message);
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

  /** All has been read: what is still owed is missing. */
  end(): Verdict {
    this.#acknowledgements.end();
    for (const [c, { receivers }] of this.#conversations) {
      const isAll = this.#options.owed === "everything";
      const until = isAll ? EVERYTHING : this.#acknowledgements.lastOf(c);
      for (const receiver of receivers.values()) receiver.end(until);
    }
    return this.verdict;
  }

  get verdict(): Verdict {
    const { repeats } = this.#topic;
    const offences = this.#offences.first;
    const conversations = [...this.#conversations.values()];
    const receivers = conversations.flatMap((one) => [...one.receivers.values()]);
    return {
      isProved: offences.length === 0,
      messages: this.#messages,
      conversations: conversations.length,
      acknowledged: this.#acknowledged,
      told: this.#told,
      repeatedKeys: Object.values(repeats).reduce((sum, count) => sum + count, 0),
      repeats,
      counts: this.#offences.counts,
      offences,
      unjudged: this.#acknowledgements.unjudged,
      passedOver: receivers.reduce((sum, { passedOver }) => sum + passedOver, 0),
    };
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
  for (const one of acknowledged) court.acknowledged(one);
  for (const message of stored) court.stored(message);
  for (const [receiver, frames] of Object.entries(told)) {
    for (const frame of frames) court.told(receiver, frame);
  }
  return court.end();
}
