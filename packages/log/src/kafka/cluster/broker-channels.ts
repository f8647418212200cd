import { type Clock, type CredentialSource, messageOf } from "@millrace/runtime";
import { type Address, Channel, NotSentError } from "../channel.ts";
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
const LOOK_MS = 2_000;

/** The cluster itself takes up to 10 s for a change. */
const CHANGE_MS = 15_000;

/**
 * A broker answers the requests of a connection one after the other, and one that is late ends it with
 * all that are behind: a look must not end a change that takes its time.
 */
interface Channels {
  readonly look: Channel;
  readonly change: Channel;
}

interface Node extends Channels {
  readonly address: Address;
}

/** Requests of Kafka's protocol that concern no topic's records: to any broker, or to one of them. */
export class BrokerChannels {
  readonly #options: BrokerChannelsOptions;
  readonly #bootstrap: readonly Channels[];
  readonly #nodes = new Map<number, Node>();
  #turn = 0;

  constructor(options: BrokerChannelsOptions) {
    this.#options = options;
    this.#bootstrap = options.brokers.map((broker) => this.#channelsTo(parseAddress(broker)));
  }

  /** Rejects when no broker has answered. */
  async askAny<Answer>(request: WireRequest<Answer>): Promise<Answer> {
    let failure: unknown;
    for (const { look } of this.#candidates()) {
      try {
        return await look.send(request, LOOK_MS);
      } catch (cause) {
        failure = cause;
      }
    }
    throw new Error(`no broker answers: ${messageOf(failure)}`, { cause: failure });
  }

  /**
   * The same for what changes something: another broker is asked only where the one before has surely
   * not seen it, so that nothing is done twice. Rejects also where it is not known whether it was done.
   */
  async changeByAny<Answer>(request: WireRequest<Answer>): Promise<Answer> {
    let failure: unknown;
    for (const { change } of this.#candidates()) {
      try {
        return await change.send(request, CHANGE_MS);
      } catch (cause) {
        if (!(cause instanceof NotSentError)) throw unanswered(cause);
        failure = cause;
      }
    }
    throw new Error(`no broker answers: ${messageOf(failure)}`, { cause: failure });
  }

  /** Rejects when that broker is not known, or does not answer. */
  async ask<Answer>(node: number, request: WireRequest<Answer>): Promise<Answer> {
    return this.#node(node).look.send(request, LOOK_MS);
  }

  /** The same for what changes something. */
  async change<Answer>(node: number, request: WireRequest<Answer>): Promise<Answer> {
    try {
      return await this.#node(node).change.send(request, CHANGE_MS);
    } catch (cause) {
      throw cause instanceof NotSentError ? cause : unanswered(cause);
    }
  }

  /** As the cluster says of itself. */
  take(nodes: readonly ClusterNode[]): void {
    for (const { id, host, port } of nodes) {
      const old = this.#nodes.get(id);
      if (old?.address.host === host && old.address.port === port) continue;
      if (old !== undefined) closeBoth(old);
      const address = { host, port };
      this.#nodes.set(id, { address, ...this.#channelsTo(address) });
    }
    const ids = new Set(nodes.map(({ id }) => id));
    for (const [id, node] of this.#nodes) {
      if (ids.has(id)) continue;
      closeBoth(node);
      this.#nodes.delete(id);
    }
  }

  close(): void {
    for (const channels of [...this.#bootstrap, ...this.#nodes.values()]) closeBoth(channels);
  }

  #node(id: number): Node {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`broker ${id} is not known`);
    return node;
  }

  /** Not always the same one first; the bootstrap list is never forgotten. */
  #candidates(): Channels[] {
    const known = [...this.#nodes.values()];
    const last = known.splice(0, this.#turn++ % Math.max(1, known.length));
    return [...known, ...last, ...this.#bootstrap];
  }

  #channelsTo(address: Address): Channels {
    return { look: this.#channelTo(address), change: this.#channelTo(address) };
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

function closeBoth({ look, change }: Channels): void {
  look.close();
  change.close();
}

function unanswered(cause: unknown): Error {
  const message = `a broker was asked and has not answered (${messageOf(cause)}): it may have been done`;
  return new Error(message, { cause });
}
