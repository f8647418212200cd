import { randomUUID } from "node:crypto";
import { kafkaSecurity } from "@millrace/log";
import type { CredentialSource } from "@millrace/runtime";
import { decodeMessage } from "@millrace/schemas/record";
import kafkajs, {
  type Admin,
  type Consumer,
  type EachBatchPayload,
  type KafkaMessage,
} from "kafkajs";
import lz4 from "lz4-napi";
import { waitFor } from "../wait-for.ts";
import type { Stored } from "./evidence.ts";

/** Node finds only some of the names in this CommonJS package. */
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;

CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: () => Promise.reject(new Error("nothing is written here")),
  decompress: (packed: Buffer) => Promise.resolve(lz4.decompressFrameSync(packed)),
});

export interface TopicPlace {
  readonly brokers: readonly string[];
  readonly topic: string;
  /** How positions spell the topic's incarnation. */
  readonly epoch: string;
  /** Without them connections are plain. */
  readonly credentials?: CredentialSource;
}

type PartitionOffsets = Awaited<ReturnType<Admin["fetchTopicOffsets"]>>;

const PATIENCE_MS = 120_000;

/** A partition of which so many records were fetched beyond what is wanted is fetched no further. */
const AHEAD_MAX = 10_000;

/**
 * A topic from its beginning on, by a stock consumer, so that a fault of our own reader can't hide
 * itself. Of each partition just as much is handed on as was asked for. What was fetched beyond that
 * is kept: the consumer fetches nothing at all while it waits for whoever takes a batch.
 */
export class TopicReader {
  readonly #place: TopicPlace;
  readonly #onMessage: (message: Stored) => void;
  readonly #groupId = `verify-${randomUUID()}`;
  readonly #admin: Admin;
  readonly #consumer: Consumer;
  /** Of each partition: the next offset to hand on, the one to stop before, and the next to fetch. */
  readonly #read = new Map<number, bigint>();
  readonly #wanted = new Map<number, bigint>();
  readonly #fetched = new Map<number, bigint>();
  readonly #ahead = new Map<number, KafkaMessage[]>();
  readonly #paused = new Set<number>();
  #failure: unknown;

  private constructor(place: TopicPlace, onMessage: (message: Stored) => void) {
    this.#place = place;
    this.#onMessage = onMessage;
    const { brokers, credentials } = place;
    const security = kafkaSecurity(credentials);
    const kafka = new Kafka({ ...security, brokers: [...brokers], logLevel: logLevel.NOTHING });
    this.#admin = kafka.admin();
    this.#consumer = kafka.consumer({ groupId: this.#groupId, maxWaitTimeInMs: 100 });
  }

  static async open(place: TopicPlace, onMessage: (message: Stored) => void): Promise<TopicReader> {
    const reader = new TopicReader(place, onMessage);
    await reader.#start();
    return reader;
  }

  /** Where each partition ends now. */
  async ends(): Promise<Map<number, bigint>> {
    const offsets = await this.#offsets();
    return new Map(offsets.map(({ partition, high }) => [partition, BigInt(high)]));
  }

  /** How far each partition was read. */
  get read(): ReadonlyMap<number, bigint> {
    return this.#read;
  }

  /** Hands on everything before those offsets. */
  async readTo(wanted: ReadonlyMap<number, bigint>): Promise<void> {
    for (const [partition, offset] of wanted) {
      if (offset > (this.#wanted.get(partition) ?? 0n)) this.#wanted.set(partition, offset);
    }
    for (const partition of wanted.keys()) this.#handOn(partition);
    const isThere = ([partition, offset]: [number, bigint]): boolean =>
      (this.#read.get(partition) ?? 0n) >= offset;
    const isRead = (): boolean => {
      if (this.#failure !== undefined) {
        throw new Error("the topic can't be read", { cause: this.#failure });
      }
      return [...wanted].every(isThere);
    };
    // Most of the time it is there already, and waiting has a grain.
    if (!isRead()) await waitFor(isRead, { what: "the topic's records", timeoutMs: PATIENCE_MS });
  }

  async close(): Promise<void> {
    await this.#consumer.disconnect();
    // Kafka forgets a group without offsets by itself, only later.
    await this.#admin.deleteGroups([this.#groupId]).catch(() => undefined);
    await this.#admin.disconnect();
  }

  async #start(): Promise<void> {
    const { topic } = this.#place;
    await this.#admin.connect();
    const offsets = await this.#offsets();
    for (const { partition, low } of offsets) this.#read.set(partition, BigInt(low));
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [topic], fromBeginning: true });
    this.#consumer.on("consumer.crash", ({ payload }) => {
      if (!payload.restart) this.#failure = payload.error;
    });
    // Also for batches without a message: control records, what compaction has left.
    this.#consumer.on("consumer.end_batch_process", ({ payload }) => {
      this.#came(payload.partition, BigInt(payload.lastOffset) + 1n);
    });
    await this.#consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: offsets.length,
      eachBatch: (payload) => this.#take(payload),
    });
  }

  /** A broker that is away for a moment is asked again. */
  #offsets(): Promise<PartitionOffsets> {
    const asked = async (): Promise<PartitionOffsets | undefined> => {
      try {
        return await this.#admin.fetchTopicOffsets(this.#place.topic);
      } catch {
        // No leader, no connection: whoever follows a topic sees brokers come and go.
        return undefined;
      }
    };
    return waitFor(asked, { what: "the topic's ends", timeoutMs: PATIENCE_MS });
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    const { partition, messages } = payload.batch;
    const ahead = this.#aheadOf(partition);
    for (const message of messages) {
      // After a rebalance it begins anew.
      if (BigInt(message.offset) < (this.#fetched.get(partition) ?? 0n)) continue;
      ahead.push(message);
      this.#fetched.set(partition, BigInt(message.offset) + 1n);
    }
    this.#handOn(partition);
    if (ahead.length <= AHEAD_MAX) return;
    this.#paused.add(partition);
    payload.pause();
  }

  /** Everything before that offset has come. */
  #came(partition: number, offset: bigint): void {
    if (offset > (this.#fetched.get(partition) ?? 0n)) this.#fetched.set(partition, offset);
    this.#handOn(partition);
  }

  #handOn(partition: number): void {
    const ahead = this.#aheadOf(partition);
    const wanted = this.#wanted.get(partition) ?? 0n;
    let count = 0;
    for (const { offset, value, headers } of ahead) {
      const at = BigInt(offset);
      if (at >= wanted) break;
      count += 1;
      const pos = `${this.#place.epoch}.${partition}.${at + 1n}`;
      const stored = storedOf(value, pos, headers?.["edge"]?.toString());
      if (stored !== undefined) this.#onMessage(stored);
    }
    ahead.splice(0, count);
    const next = ahead[0] === undefined ? this.#fetched.get(partition) : BigInt(ahead[0].offset);
    if (next !== undefined && next > (this.#read.get(partition) ?? 0n)) {
      this.#read.set(partition, next);
    }
    if (ahead.length > 0 || !this.#paused.delete(partition)) return;
    this.#consumer.resume([{ topic: this.#place.topic, partitions: [partition] }]);
  }

  #aheadOf(partition: number): KafkaMessage[] {
    const known = this.#ahead.get(partition);
    if (known !== undefined) return known;
    const ahead: KafkaMessage[] = [];
    this.#ahead.set(partition, ahead);
    return ahead;
  }
}

function storedOf(value: Buffer | null, pos: string, mark?: string): Stored | undefined {
  const decoded = decodeMessage(value ?? Buffer.alloc(0));
  if (decoded.kind === "undecodable") return undefined;
  const { conversation: c, sender: from, key, content: body } = decoded.message;
  return { c, pos, from, key: key ?? "", body, ...(mark !== undefined && { mark }) };
}

/** Every message of a topic up to its present end, in the order of each partition. */
export async function readTopic(place: TopicPlace): Promise<Stored[]> {
  const stored: Stored[] = [];
  const reader = await TopicReader.open(place, (message) => stored.push(message));
  try {
    await reader.readTo(await reader.ends());
  } finally {
    await reader.close();
  }
  return stored;
}
