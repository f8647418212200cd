import type { ClusterAdmin, PartitionReassignment } from "@millrace/log";
import { type Clock, type Logger, delay } from "@millrace/runtime";
import type { ReassignmentView } from "../api/views.ts";
import type { AuditJournal } from "../audit/audit-journal.ts";
import { LIMITS } from "../limits.ts";
import { refusalOf, refuse } from "../refusal.ts";
import type { ReplicaMove } from "./replica-plan.ts";
import {
  RATES,
  REPLICAS,
  type StandingThrottles,
  type Throttle,
  isStanding,
  removalOf,
  throttleOf,
  throttlesIn,
} from "./throttle-settings.ts";

export interface ThrottlesOptions {
  readonly admin: Pick<
    ClusterAdmin,
    "describe" | "settingsOf" | "changeSettings" | "reassign" | "reassignments"
  >;
  readonly audit: Pick<AuditJournal, "begin" | "end">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** All replicas that move, and what slows them. */
export interface MovingReplicas extends StandingThrottles {
  readonly partitions: readonly PartitionReassignment[];
}

export interface CalledOff {
  readonly count: number;
  /** Others still move behind it. */
  readonly isThrottled: boolean;
}

/** Looks in a row that find nothing on its way before the throttle goes. */
const IDLE_LOOKS = 2;

/** Where another control may just be setting it, which takes it up to 15 s a step. */
const IDLE_LOOKS_OF_OTHERS = 10;

/**
 * Moves replicas, throttled where that is wished, and takes the throttle away when nothing moves behind
 * it any more: left standing it would slow down brokers that come back after a failure.
 *
 * What stands is read from the cluster itself, so that it is taken away also by a control that was
 * started anew, or by another one. Only what has the mark of control is taken away, never what other
 * tools have set (throttle-settings.ts).
 *
 * Invariant: in this process nothing is begun, called off or taken away at the same time.
 */
export class Throttles {
  readonly #options: ThrottlesOptions;
  readonly #stop = new AbortController();
  #wake = new AbortController();
  #idleLooks = 0;
  #isBusy = false;
  /** What stands was set by this process, which knows that it is whole. */
  #isOwn = false;
  #removing: Promise<void> | undefined;

  constructor(options: ThrottlesOptions) {
    this.#options = options;
  }

  /** As the cluster has it. Rejects while it does not answer. */
  async view(): Promise<ReassignmentView> {
    const { partitions, ours, foreign } = await this.moving();
    const throttleBytesPerSec = ours.bytesPerSec ?? foreign.bytesPerSec;
    return { isRunning: partitions.length > 0, throttleBytesPerSec, partitions };
  }

  /** The same in full. */
  async moving(): Promise<MovingReplicas> {
    const { admin } = this.#options;
    const [partitions, standing] = await Promise.all([admin.reassignments(), this.#standing()]);
    return { partitions, ...standing };
  }

  /** Throws a RefusalError while `alone` runs something. */
  assertFree(): void {
    if (!this.#isBusy) return;
    refuse(409, "replicas are being sent or called back by somebody just now: try again soon");
  }

  /** Two who look and then begin would both find that nothing moves. Rejects as `assertFree`. */
  async alone<Result>(run: () => Promise<Result>): Promise<Result> {
    this.assertFree();
    this.#isBusy = true;
    try {
      await this.#removing?.catch(() => undefined);
      return await run();
    } finally {
      this.#isBusy = false;
      this.#idleLooks = 0;
      this.#wake.abort();
    }
  }

  /** Within `alone`. The throttle first: a move that has begun without would fill the net. */
  async begin(moves: readonly ReplicaMove[], bytesPerSec?: number): Promise<void> {
    const { admin } = this.#options;
    const { ours, live } = await this.#standing();
    // Of a move that has come to its end.
    await this.#remove(ours);
    if (bytesPerSec !== undefined) await this.#set(moves, { bytesPerSec, live });
    this.#isOwn = bytesPerSec !== undefined;
    const wishes = moves.map(({ topic, partition, to: replicas }) => {
      return { topic, partition, replicas };
    });
    // Whether it has begun may not be known where it rejects; the watch sees it.
    await admin.reassign(wishes);
  }

  /** Within `alone`. Of these topics; the throttle goes with the last one that needs it. */
  async cancel(topics: readonly string[]): Promise<CalledOff> {
    const { admin } = this.#options;
    const { partitions, ours } = await this.moving();
    const those = partitions.filter(({ topic }) => topics.includes(topic));
    const wishes = those.map(({ topic, partition }) => ({ topic, partition, replicas: null }));
    if (wishes.length > 0) await admin.reassign(wishes);
    const others = partitions.filter((one) => !those.includes(one));
    const isThrottled = isBehind(ours, others);
    if (!isThrottled) await this.#remove(ours);
    return { count: those.length, isThrottled };
  }

  /** Until `close`. Never rejects. */
  async watch(): Promise<void> {
    const { clock, logger } = this.#options;
    while (!this.#stop.signal.aborted) {
      let isThere = false;
      // Before the look: what begins meanwhile wants another one soon.
      this.#wake = new AbortController();
      try {
        isThere = await this.#look();
      } catch (cause) {
        logger.debug({ err: cause }, "throttles can't be looked at now");
      }
      const until = AbortSignal.any([this.#stop.signal, this.#wake.signal]);
      await delay(clock, isThere ? LIMITS.reassignmentMs : LIMITS.watchMs, until);
    }
  }

  close(): void {
    this.#stop.abort();
  }

  /** Whether a throttle of ours stands. */
  async #look(): Promise<boolean> {
    const { partitions, ours } = await this.moving();
    const isIdle = isStanding(ours) && !isBehind(ours, partitions) && !this.#isBusy;
    this.#idleLooks = isIdle ? this.#idleLooks + 1 : 0;
    if (!isStanding(ours)) {
      this.#isOwn = false;
      return false;
    }
    const looks = this.#isOwn ? IDLE_LOOKS : IDLE_LOOKS_OF_OTHERS;
    if (this.#idleLooks < looks) return true;
    this.#removing = this.#removeAudited(ours);
    await this.#removing;
    this.#idleLooks = 0;
    this.#isOwn = false;
    return false;
  }

  /** Nobody has called for it: it stands in the audit as what control itself does. */
  async #removeAudited(ours: Throttle): Promise<void> {
    const { audit } = this.#options;
    const { brokers, topics } = ours;
    const entry = await audit.begin({
      operator: "control",
      address: "-",
      action: "throttle.remove",
      parameters: { brokers: brokers.map(Number), topics },
    });
    try {
      await this.#remove(ours);
      await audit.end(entry, { status: 200, outcome: "Nothing moves behind it any more." });
    } catch (cause) {
      const { status, message } = refusalOf(cause);
      await audit.end(entry, { status, outcome: message });
      throw cause;
    }
  }

  async #remove(ours: Throttle): Promise<void> {
    if (!isStanding(ours)) return;
    await this.#options.admin.changeSettings(removalOf(ours));
    const { brokers, topics } = ours;
    this.#options.logger.info({ brokers, topics }, "the throttle of moved replicas was removed");
  }

  /** Either all of it stands, or, as far as brokers let us, none. */
  async #set(
    moves: readonly ReplicaMove[],
    pace: { readonly bytesPerSec: number; readonly live: readonly number[] },
  ): Promise<void> {
    const { admin, logger } = this.#options;
    try {
      await admin.changeSettings(throttleOf(moves, pace));
    } catch (cause) {
      try {
        await this.#remove((await this.#standing()).ours);
      } catch (err) {
        logger.warn({ err }, "half a throttle stands; it is removed as soon as brokers answer");
      }
      throw cause;
    }
  }

  async #standing(): Promise<StandingThrottles & { readonly live: readonly number[] }> {
    const { admin } = this.#options;
    const { brokers, topics } = await admin.describe("all");
    const live = brokers.map(({ id }) => id);
    const [ofBrokers, ofTopics] = await Promise.all([
      admin.settingsOf("BROKER", live.map(String), RATES),
      admin.settingsOf("TOPIC", [...topics.keys()], REPLICAS),
    ]);
    return { ...throttlesIn(ofBrokers, ofTopics), live };
  }
}

/** Whether one of them is slowed by it. */
function isBehind({ topics }: Throttle, partitions: readonly PartitionReassignment[]): boolean {
  return partitions.some(({ topic }) => topics.includes(topic));
}
