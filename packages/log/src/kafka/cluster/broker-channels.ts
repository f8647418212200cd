import { type Clock, type CredentialSource, messageOf } from "@millrace/runtime";
import { type Address, Channel } from "../channel.ts";
import { kafkaSecurity } from "../credentials.ts";
import { parseAddress } from "../link.ts";
import type { ClusterNode } from "../protocol/metadata.ts";
import type { WireRequest } from "../protocol/wire-request.ts";

export interface BrokerChannelsOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly clock: Clock;
  /** Without it connections are plain. */
  readonly credentials?: CredentialSource;
}

/** Of one broker; those that are known are asked one after the other. */
const ANSWER_MS = 2_000;

/** Requests of Kafka's protocol that concern no topic's records: to any broker, or to one of them. */
export class BrokerChannels {
  readonly #options: BrokerChannelsOptions;
  readonly #bootstrap: readonly Channel[];
  readonly #nodes = new Map<number, { readonly address: Address; readonly channel: Channel }>();
  #turn = 0;

  constructor(options: BrokerChannelsOptions) {
    this.#options = options;
    this.#bootstrap = options.brokers.map((broker) => this.#channelTo(parseAddress(broker)));
  }

  /** Rejects when no broker has answered. */
  async askAny<Answer>(request: WireRequest<Answer>): Promise<Answer> {
    const known = [...this.#nodes.values()].map(({ channel }) => channel);
    // Not always the same one first; the bootstrap list is never forgotten.
    const first = known.splice(0, this.#turn++ % Math.max(1, known.length));
    let failure: unknown;
    for (const channel of [...known, ...first, ...this.#bootstrap]) {
      try {
        return await channel.send(request, ANSWER_MS);
      } catch (cause) {
        failure = cause;
      }
    }
    throw new Error(`no broker answers: ${messageOf(failure)}`, { cause: failure });
  }

  /** Rejects when that broker is not known, or does not answer. */
  ask<Answer>(node: number, request: WireRequest<Answer>): Promise<Answer> {
    const channel = this.#nodes.get(node)?.channel;
    if (channel === undefined) return Promise.reject(new Error(`broker ${node} is not known`));
    return channel.send(request, ANSWER_MS);
  }

  /** As the cluster says of itself. */
  take(nodes: readonly ClusterNode[]): void {
    for (const { id, host, port } of nodes) {
      const old = this.#nodes.get(id);
      if (old?.address.host === host && old.address.port === port) continue;
      old?.channel.close();
      this.#nodes.set(id, { address: { host, port }, channel: this.#channelTo({ host, port }) });
    }
    const ids = new Set(nodes.map(({ id }) => id));
    for (const [id, { channel }] of this.#nodes) {
      if (ids.has(id)) continue;
      channel.close();
      this.#nodes.delete(id);
    }
  }

  close(): void {
    for (const channel of this.#bootstrap) channel.close();
    for (const { channel } of this.#nodes.values()) channel.close();
  }

  #channelTo(address: Address): Channel {
    const { clock, clientId, credentials } = this.#options;
    return new Channel({
      clock,
      clientId,
      address: () => address,
      security: () => kafkaSecurity(credentials),
      random: Math.random,
    });
  }
}
