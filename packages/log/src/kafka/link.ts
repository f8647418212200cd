import {
  type Clock,
  type CredentialFolder,
  type Logger,
  type Timer,
  assert,
  delay,
  messageOf,
} from "@millrace/runtime";
import { epochIdOf } from "@millrace/schemas";
import type { Epoch } from "../port.ts";
import { type Address, Channel } from "./channel.ts";
import { kafkaSecurity } from "./credentials.ts";
import { OutageReport } from "./outage-report.ts";
import { KAFKA_ERRORS, kafkaErrorName } from "./protocol/error-codes.ts";
import { type Metadata, metadataRequest } from "./protocol/metadata.ts";

export interface KafkaLinkOptions {
  /** `host:port` of some brokers; never forgotten, whatever the cluster says of itself. */
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly clientId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Without it connections are plain. */
  readonly credentials?: CredentialFolder;
  /** Keys are spread over so many, also when the topic has more. */
  readonly partitions?: number;
}

/** Each kind of work has connections of its own: an answer that waits must not hold up others. */
export type ChannelPurpose = "tail" | "scan" | "write" | "write-troubled" | "control";

const REFRESH_EVERY_MS = 5_000;
const REFRESH_APART_MS = 100;
const REFRESH_TIMEOUT_MS = 2_000;
const RENEW_AGAIN_MS = 2_000;

/**
 * What is known of the cluster and the topic: brokers, leaders, incarnation. Asked anew every 5 s,
 * and whenever something here does not fit.
 *
 * Invariant: `topicId`, `epoch` and leaders change in one step, and listeners hear of an epoch
 * before anything of it can be read; an incarnation that was left is never believed again, also
 * when a broker that lags behind still names it.
 */
export class KafkaLink {
  readonly topic: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly #options: KafkaLinkOptions;
  readonly #bootstrap: readonly Address[];
  readonly #channels = new Map<string, Channel>();
  readonly #nodes = new Map<number, Address>();
  readonly #leaders = new Map<number, number>();
  readonly #leftEpochs = new Set<string>();
  readonly #listeners = new Set<(epoch: Epoch) => void>();
  readonly #end = new AbortController();
  readonly #outage: OutageReport;
  #renewals = 0;
  #topicId: Buffer | undefined;
  #epoch: Epoch | undefined;
  #running: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;
  #lastStartMs = Number.NEGATIVE_INFINITY;
  #turn = 0;
  #timer: Timer | undefined;
  #partitionsSeen = 0;

  constructor(options: KafkaLinkOptions) {
    this.#options = options;
    this.topic = options.topic;
    this.clock = options.clock;
    this.logger = options.logger;
    this.#bootstrap = options.brokers.map(parseAddress);
    assert(this.#bootstrap.length > 0, "there is a broker to begin with");
    this.#outage = new OutageReport(options);
    const stopListening = options.credentials?.onChange(() => void this.#renew());
    this.#end.signal.addEventListener("abort", () => stopListening?.());
  }

  get epoch(): Epoch | undefined {
    return this.#epoch;
  }

  /** Of the current incarnation; undefined before the first answer. */
  get topicId(): Buffer | undefined {
    return this.#topicId;
  }

  get unusedPartitions(): number {
    return Math.max(0, this.#partitionsSeen - (this.#epoch?.partitions ?? 0));
  }

  get isClosed(): boolean {
    return this.#end.signal.aborted;
  }

  onEpoch(listener: (epoch: Epoch) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  leaderOf(partition: number): number | undefined {
    return this.#leaders.get(partition);
  }

  /** Resolves when the topic's incarnation is known; rejects when the signal aborts. */
  async open(signal?: AbortSignal): Promise<void> {
    while (this.#epoch === undefined) {
      signal?.throwIfAborted();
      this.#end.signal.throwIfAborted();
      await this.refresh();
      if (this.#epoch === undefined) await delay(this.clock, REFRESH_APART_MS, signal);
    }
    this.#scheduleRefresh();
  }

  close(): void {
    this.#end.abort(new Error("the log was closed"));
    this.#timer?.cancel();
    for (const channel of this.#channels.values()) channel.close();
  }

  channel(node: number, purpose: ChannelPurpose): Channel {
    return this.#channelTo(`${node}/${purpose}`, () => this.#nodes.get(node));
  }

  /** A broker of the cluster, another one each time; undefined while none is known. */
  anyNode(): number | undefined {
    const nodes = [...this.#nodes.keys()];
    return nodes[this.#turn++ % Math.max(1, nodes.length)];
  }

  /**
   * Asks the cluster, beginning after the call: callers that come while an earlier question is out
   * share the next one. False when nobody answered. Never rejects.
   */
  refresh(): Promise<boolean> {
    if (this.#running === undefined) return this.#startRefresh();
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#startRefresh();
    });
    return this.#next;
  }

  #startRefresh(): Promise<boolean> {
    this.#running = this.#askAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #askAll(): Promise<boolean> {
    const waitMs = this.#lastStartMs + REFRESH_APART_MS - this.clock.nowMs();
    if (waitMs > 0) await delay(this.clock, waitMs, this.#end.signal);
    this.#lastStartMs = this.clock.nowMs();
    let failure: unknown;
    for (const channel of this.#candidates()) {
      if (this.isClosed) return false;
      try {
        this.#take(await channel.send(metadataRequest(this.topic), REFRESH_TIMEOUT_MS));
        this.#outage.ended();
        return true;
      } catch (cause) {
        failure = cause;
        this.logger.debug({ err: cause }, "a broker did not answer about the topic");
      }
    }
    if (!this.isClosed) this.#outage.lasts(failure);
    return false;
  }

  /** Known brokers in turn, then the ones we began with: all known ones may be gone (C-049). */
  *#candidates(): Iterable<Channel> {
    const nodes = [...this.#nodes.keys()];
    const first = this.#turn++;
    for (const index of nodes.keys()) {
      const node = nodes[(first + index) % nodes.length];
      if (node !== undefined) yield this.channel(node, "control");
    }
    for (const address of this.#bootstrap) {
      yield this.#channelTo(`${address.host}:${address.port}`, () => address);
    }
  }

  #channelTo(name: string, address: () => Address | undefined): Channel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      const { clientId, random } = this.#options;
      const security = () => kafkaSecurity(this.#options.credentials);
      channel = new Channel({ clock: this.clock, clientId, random, address, security });
      if (this.isClosed) channel.close();
      this.#channels.set(name, channel);
    }
    return channel;
  }

  /** Until every connection was made with the credentials as they are; a newer change takes over. */
  async #renew(): Promise<void> {
    const renewal = ++this.#renewals;
    let open = [...this.#channels.values()];
    while (open.length > 0 && !this.isClosed && renewal === this.#renewals) {
      const outcomes = await Promise.allSettled(open.map((channel) => channel.renew()));
      const failed = outcomes.find((outcome) => outcome.status === "rejected");
      open = open.filter((_, index) => outcomes[index]?.status === "rejected");
      if (failed === undefined) {
        this.logger.info({}, "Kafka's connections were renewed with the changed credentials");
      } else {
        const error = messageOf(failed.reason);
        const event = "the changed credentials do not work; connections of before stay in use";
        this.logger.warn({ error, connections: open.length }, event);
        await delay(this.clock, RENEW_AGAIN_MS, this.#end.signal);
      }
    }
  }

  #take(metadata: Metadata): void {
    const topicId = epochIdOf(metadata.topicId);
    if (this.#leftEpochs.has(topicId)) return;
    if (metadata.nodes.length > 0) {
      this.#nodes.clear();
      for (const { id, host, port } of metadata.nodes) this.#nodes.set(id, { host, port });
    }
    this.#leaders.clear();
    if (metadata.errorCode !== KAFKA_ERRORS.NONE || metadata.partitions.length === 0) {
      const error = kafkaErrorName(metadata.errorCode);
      this.logger.debug({ topic: this.topic, error }, "the topic can't be reached");
      return;
    }
    for (const { partition, leader } of metadata.partitions) {
      if (leader >= 0 && this.#nodes.has(leader)) this.#leaders.set(partition, leader);
    }
    this.#takeEpoch(metadata);
  }

  #takeEpoch({ topicId, partitions }: Metadata): void {
    const id = epochIdOf(topicId);
    if (this.#epoch?.id === id) return this.#alarm(partitions.length);
    if (this.#epoch !== undefined) this.#leftEpochs.add(this.#epoch.id);
    this.#topicId = Buffer.from(topicId);
    const { partitions: used = partitions.length } = this.#options;
    this.#epoch = { id, partitions: Math.min(used, partitions.length) };
    this.#partitionsSeen = this.#epoch.partitions;
    for (const listener of this.#listeners) listener(this.#epoch);
    this.#alarm(partitions.length);
  }

  /** Keys would move to other partitions: what was added is not used before the next epoch. */
  #alarm(partitions: number): void {
    if (partitions === this.#partitionsSeen) return;
    this.#partitionsSeen = partitions;
    const fields = { topic: this.topic, partitions, used: this.#epoch?.partitions };
    this.logger.error(fields, "the topic has partitions that are not used");
  }

  #scheduleRefresh(): void {
    if (this.isClosed) return;
    this.#timer = this.clock.after(REFRESH_EVERY_MS, () => {
      void this.refresh().then(() => this.#scheduleRefresh());
    });
  }
}

/** `host:port`, also with an IPv6 address in brackets. */
export function parseAddress(broker: string): Address {
  const at = broker.lastIndexOf(":");
  const host = broker.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const port = Number(broker.slice(at + 1));
  assert(at > 0 && Number.isInteger(port), `a broker as host:port, not ${broker}`);
  return { host, port };
}
