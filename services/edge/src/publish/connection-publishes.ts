import type {
  ConversationId,
  DownFrame,
  ErrFrame,
  FrameRefusal,
  PubFrame,
  RequestId,
  UserId,
} from "@millrace/schemas";
import type { EdgeLimits } from "../limits.ts";
import type { EdgeMetrics } from "../metrics.ts";
import { NO_WRITE } from "../rights/rights.ts";
import { type LaneEntry, PublishLane, breakChain, standsBehindFailure } from "./publish-lane.ts";
import { BEHIND_FAILURE, type PublishFailure, failureOf } from "./publish-failure.ts";
import type { PublishOutcome } from "./publish-gate.ts";
import type { Publisher } from "./publisher.ts";

/** What the publishes of all connections share. */
export interface PublishesContext {
  readonly limits: EdgeLimits;
  readonly metrics: EdgeMetrics;
  readonly publisher: Publisher;
}

/** The connection whose they are. */
export interface PublishesOwner {
  readonly user: UserId;
  mayWrite(conversation: ConversationId): boolean;
  send(frame: DownFrame): void;
}

/** How an answer names its publish: by id, or by conversation and key where it has none. */
type Name = Pick<ErrFrame, "id" | "c" | "key">;

interface Place {
  readonly lane: PublishLane;
  readonly entry: LaneEntry;
  readonly name: Name;
}

const RETRY_MS = 500;

/** All publishes of one connection: a lane per conversation, and how many are in flight. */
export class ConnectionPublishes {
  readonly #context: PublishesContext;
  readonly #owner: PublishesOwner;
  readonly #lanes = new Map<ConversationId, PublishLane>();
  #inFlight = 0;

  constructor(context: PublishesContext, owner: PublishesOwner) {
    this.#context = context;
    this.#owner = owner;
  }

  publish(frame: PubFrame): void {
    const place = this.#open(frame.conversation, nameOf(frame), frame.behind);
    const failure = this.#failureOf(frame, place.entry);
    if (failure !== undefined) return this.#fail(place, failure);
    const { publisher } = this.#context;
    const { entry } = place;
    this.#inFlight += 1;
    publisher.publish({
      frame,
      sender: this.#owner.user,
      lane: place.lane,
      isStillWanted: () => !standsBehindFailure(entry),
      onOutcome: (outcome) => {
        this.#inFlight -= 1;
        this.#answer(place, outcome);
      },
      onSettled: (outcome) => {
        if (outcome.kind !== "appended") breakChain(entry);
      },
    });
  }

  /** A publish whose frame was refused: it keeps its place among the answers, and breaks its chain. */
  refuse({ pub, ...refusal }: FrameRefusal): void {
    const { code, message, retryMs, ...name } = refusal;
    const failure = { code, message, ...(retryMs !== undefined && { retryMs }) };
    if (pub?.conversation === undefined) this.#send({ t: "err", ...name, ...failure });
    else this.#fail(this.#open(pub.conversation, name, pub.behind), failure);
  }

  #open(conversation: ConversationId, name: Name, behind: RequestId | undefined): Place {
    const lane = this.#lane(conversation);
    const { id } = name;
    const entry = lane.open({
      ...(id !== undefined && { id }),
      ...(behind !== undefined && { behind }),
    });
    return { lane, entry, name };
  }

  #lane(conversation: ConversationId): PublishLane {
    let lane = this.#lanes.get(conversation);
    if (lane === undefined) {
      lane = new PublishLane((answer) => this.#send(answer));
      this.#lanes.set(conversation, lane);
      this.#forgetIdle();
    }
    return lane;
  }

  /** Bounds the lanes: idle ones go, oldest first, and with the oldest also a remembered failure. */
  #forgetIdle(): void {
    const { brokenChainsMax } = this.#context.limits;
    if (this.#lanes.size <= brokenChainsMax) return;
    for (const [conversation, lane] of this.#lanes) {
      if (!lane.isIdle) continue;
      this.#lanes.delete(conversation);
      if (this.#lanes.size <= brokenChainsMax) return;
    }
  }

  #failureOf(frame: PubFrame, entry: LaneEntry): PublishFailure | undefined {
    const { publishesInFlight } = this.#context.limits.announced;
    if (!this.#owner.mayWrite(frame.conversation)) return NO_WRITE;
    if (this.#inFlight >= publishesInFlight) {
      const message = `${publishesInFlight} publishes wait for their answers`;
      return { code: "too-many-in-flight", message, retryMs: RETRY_MS };
    }
    return standsBehindFailure(entry) ? BEHIND_FAILURE : undefined;
  }

  #answer(place: Place, outcome: PublishOutcome): void {
    const { metrics } = this.#context;
    if (outcome.kind === "appended") {
      metrics.publishes.inc();
      const { id, c } = place.name;
      const { pos, ts, isDuplicate } = outcome;
      const dup = isDuplicate && { dup: isDuplicate };
      const answer =
        id === undefined ? null : ({ t: "pubd", id, c: c ?? "", pos, ts, ...dup } as const);
      return place.lane.settle(place.entry, answer);
    }
    const failure = failureOf(outcome, metrics);
    // Whether its chain goes on is known only with the record's fate; `onSettled` breaks it.
    if (outcome.kind === "unknown") this.#settle(place, failure);
    else this.#fail(place, failure);
  }

  #fail(place: Place, failure: PublishFailure): void {
    breakChain(place.entry);
    this.#settle(place, failure);
  }

  #settle({ lane, entry, name }: Place, failure: PublishFailure): void {
    this.#context.metrics.errors.inc({ code: failure.code });
    const { id, c, key } = name;
    const named = id === undefined ? { ...(c && { c }), ...(key && { key }) } : { id };
    lane.settle(entry, { t: "err", ...named, ...failure });
  }

  #send(frame: DownFrame): void {
    this.#owner.send(frame);
  }
}

function nameOf({ id, conversation, key }: PubFrame): Name {
  return { c: conversation, ...(id !== undefined && { id }), ...(key !== undefined && { key }) };
}
