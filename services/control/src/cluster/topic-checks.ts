import type { ClusterAdmin, TopicPurpose } from "@millrace/log";
import { auditTopicOf, controlTopicOf, cursorsTopicOf } from "@millrace/schemas";
import type { TopicView } from "../api/views.ts";

/** The settings of the product's topics against what its promises need. */
export class TopicChecks {
  readonly #admin: Pick<ClusterAdmin, "checkTopic">;
  readonly #isDevelopment: boolean;
  readonly #topics: ReadonlyMap<string, TopicPurpose>;
  #last: readonly TopicView[] = [];

  constructor(options: {
    readonly admin: Pick<ClusterAdmin, "checkTopic">;
    readonly topic: string;
    readonly isDevelopment: boolean;
  }) {
    const { topic } = options;
    this.#admin = options.admin;
    this.#isDevelopment = options.isDevelopment;
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

  /** As of the last check. */
  get last(): readonly TopicView[] {
    return this.#last;
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
