import type { ClusterAdmin, TopicPurpose } from "@millrace/log";
import { type Clock, within } from "@millrace/runtime";
import { auditTopicOf, controlTopicOf, cursorsTopicOf } from "@millrace/schemas";
import type { TopicView } from "../api/views.ts";
import { LIMITS } from "../limits.ts";
import { SharedLook } from "../shared-look.ts";

/** The settings of the product's topics against what its promises need. */
export class TopicChecks {
  readonly #admin: Pick<ClusterAdmin, "checkTopic">;
  readonly #isDevelopment: boolean;
  readonly #topics: ReadonlyMap<string, TopicPurpose>;
  readonly #again: SharedLook<readonly TopicView[]>;
  #last: readonly TopicView[] = [];

  constructor(options: {
    readonly clock: Clock;
    readonly admin: Pick<ClusterAdmin, "checkTopic">;
    readonly topic: string;
    readonly isDevelopment: boolean;
  }) {
    const { topic } = options;
    this.#admin = options.admin;
    this.#isDevelopment = options.isDevelopment;
    const look = (): Promise<readonly TopicView[]> =>
      within(options.clock, LIMITS.clusterMs, this.check()).catch(() => this.#last);
    this.#again = new SharedLook({ clock: options.clock, ageMs: LIMITS.lookMs, look });
    this.#topics = new Map([
      [topic, "messages"],
      [cursorsTopicOf(topic), "cursors"],
      [controlTopicOf(topic), "control"],
      [auditTopicOf(topic), "audit"],
    ]);
  }

  get topics(): readonly string[] {
    return [...this.#topics.keys()];
  }

  /** As of the last check; what was wrong then is looked at again before it is told. Never rejects. */
  async told(): Promise<readonly TopicView[]> {
    const isWrong = this.#last.some(({ problems }) => problems.length > 0);
    return isWrong ? this.#again.get() : this.#last;
  }

  /** Changes nothing, and makes no topic. Rejects while Kafka does not answer. */
  async check(): Promise<readonly TopicView[]> {
    const views: TopicView[] = [];
    for (const [topic, purpose] of this.#topics) {
      const options = { purpose, isDevelopment: this.#isDevelopment };
      views.push({ topic, purpose, problems: await this.#admin.checkTopic(topic, options) });
    }
    this.#last = views;
    return views;
  }
}
