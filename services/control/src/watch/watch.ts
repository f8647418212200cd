import { type Clock, type Logger, delay, messageOf } from "@millrace/runtime";
import type { Cluster } from "../cluster/cluster-look.ts";
import type { TopicChecks } from "../cluster/topic-checks.ts";
import { LIMITS } from "../limits.ts";
import type { ControlMetrics } from "../metrics.ts";
import { certificateEndMs } from "./certificates.ts";

export interface WatchOptions {
  readonly cluster: Cluster;
  readonly topicChecks: TopicChecks;
  readonly clientUrls: readonly string[];
  readonly metrics: ControlMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  /** When the certificate ends that is shown there. */
  readonly certificateEnd?: (url: string) => Promise<number>;
}

/** Looks at what needs no operator's token, for the metrics: the cluster, its topics, certificates. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #stop = new AbortController();
  /** When the certificate of each address ends; the metric counts down between two looks. */
  readonly #ends = new Map<string, number>();
  /** Where the last look has seen no certificate. */
  readonly #unseen = new Set<string>();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Until `close`. Never rejects. */
  async run(): Promise<void> {
    await Promise.all([
      this.#again(async () => {
        await this.#lookAtCluster();
        return LIMITS.watchMs;
      }),
      this.#again(() => this.#lookAtCertificates()),
    ]);
  }

  /** Before the page is read. */
  refresh(): void {
    const { metrics, clock } = this.#options;
    for (const [address, endMs] of this.#ends) {
      metrics.certificateExpires.set({ address }, Math.round((endMs - clock.wallMs()) / 1_000));
    }
  }

  close(): void {
    this.#stop.abort();
  }

  /** Each look says when the next one is due. */
  async #again(look: () => Promise<number>): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) await delay(this.#options.clock, await look(), signal);
  }

  async #lookAtCluster(): Promise<void> {
    const { cluster, topicChecks, metrics, logger } = this.#options;
    const { isUp, partitions, group } = await cluster.fresh();
    metrics.kafkaUp.set(isUp ? 1 : 0);
    if (!isUp) return;
    const short = partitions.filter(({ replicas, inSync }) => inSync.length < replicas.length);
    metrics.underReplicated.set(short.length);
    metrics.leaderless.set(partitions.filter(({ leader }) => leader < 0).length);
    if (["Stable", "Empty", "Dead"].includes(group.state)) {
      const owned = new Set(group.members.flatMap((member) => member.partitions));
      const ownerless = partitions.filter(({ partition }) => !owned.has(partition));
      metrics.ownerless.set(ownerless.length);
    }
    try {
      for (const { topic, problems } of await topicChecks.check()) {
        metrics.topicProblems.set({ topic }, problems.length);
      }
    } catch (cause) {
      logger.debug({ err: cause }, "the topics can't be looked at now");
    }
  }

  async #lookAtCertificates(): Promise<number> {
    const { clientUrls } = this.#options;
    const secured = clientUrls.filter((url) => url.startsWith("wss:"));
    const due = await Promise.all(secured.map((url) => this.#lookAtCertificate(url)));
    return Math.min(LIMITS.certificateMs, ...due);
  }

  /**
   * One that is not seen once is looked at again soon, and nothing is said: where control and what is in
   * front of the edges start together, control is there first.
   */
  async #lookAtCertificate(url: string): Promise<number> {
    const { metrics, logger, certificateEnd = certificateEndMs } = this.#options;
    const address = new URL(url).host;
    try {
      this.#ends.set(address, await certificateEnd(url));
      this.#unseen.delete(address);
      metrics.certificateProbe.set({ address }, 1);
    } catch (cause) {
      metrics.certificateProbe.set({ address }, 0);
      if (!this.#unseen.has(address)) {
        this.#unseen.add(address);
        return LIMITS.certificateAgainMs;
      }
      logger.warn({ address, error: messageOf(cause) }, "no certificate can be seen there");
    }
    return LIMITS.certificateMs;
  }
}
