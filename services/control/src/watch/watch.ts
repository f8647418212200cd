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
}

/** Looks at what needs no operator's token, for the metrics: the cluster, its topics, certificates. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #stop = new AbortController();
  /** When the certificate of each address ends; the metric counts down between two looks. */
  readonly #ends = new Map<string, number>();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Until `close`. Never rejects. */
  async run(): Promise<void> {
    await Promise.all([
      this.#every(LIMITS.watchMs, () => this.#lookAtCluster()),
      this.#every(LIMITS.certificateMs, () => this.#lookAtCertificates()),
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

  async #every(intervalMs: number, look: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await look();
      await delay(this.#options.clock, intervalMs, signal);
    }
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

  async #lookAtCertificates(): Promise<void> {
    const { clientUrls } = this.#options;
    const secured = clientUrls.filter((url) => url.startsWith("wss:"));
    await Promise.all(secured.map((url) => this.#lookAtCertificate(url)));
  }

  async #lookAtCertificate(url: string): Promise<void> {
    const { metrics, logger } = this.#options;
    const address = new URL(url).host;
    try {
      this.#ends.set(address, await certificateEndMs(url));
      metrics.certificateProbe.set({ address }, 1);
    } catch (cause) {
      metrics.certificateProbe.set({ address }, 0);
      logger.warn({ address, error: messageOf(cause) }, "no certificate can be seen there");
    }
  }
}
