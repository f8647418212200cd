import { randomBytes } from "node:crypto";
import { type Clock, type CredentialFolder, type Logger, systemClock } from "@millrace/runtime";
import type {
  AppendRequest,
  BoundsOutcome,
  Epoch,
  Log,
  OffsetOutcome,
  ReadOutcome,
  ReadRequest,
} from "../port.ts";
import { KafkaLink } from "./link.ts";
import { KafkaReader } from "./reader/kafka-reader.ts";
import { KafkaWriter } from "./writer/kafka-writer.ts";

export interface KafkaLogOptions {
  /** `host:port` of some brokers of the cluster. */
  readonly brokers: readonly string[];
  readonly topic: string;
  /** Told to the brokers, for their logs and quotas; also in the header `edge` of each record. */
  readonly clientId: string;
  readonly logger: Logger;
  /** Without it connections are plain. */
  readonly credentials?: CredentialFolder;
  /** Keys are spread over so many, also when the topic has more; without it, over all it has. */
  readonly partitions?: number;
  readonly clock?: Clock;
  /** Between 0 and 1, for the spread of retries. */
  readonly random?: () => number;
}

const INCARNATION_BYTES = 6;

/** A log over one Kafka topic; `open` it before anything else. */
class KafkaLog implements Log {
  readonly #link: KafkaLink;
  readonly #reader: KafkaReader;
  readonly #writer: KafkaWriter;

  constructor(options: KafkaLogOptions) {
    const { clock = systemClock, random = Math.random, clientId } = options;
    const incarnation = randomBytes(INCARNATION_BYTES).toString("base64url");
    this.#link = new KafkaLink({ ...options, clock, random });
    this.#reader = new KafkaReader(this.#link);
    const origin = `${clientId}/${incarnation}`;
    this.#writer = new KafkaWriter({ link: this.#link, reader: this.#reader, origin, random });
  }

  get epoch(): Epoch | undefined {
    return this.#link.epoch;
  }

  get unusedPartitions(): number {
    return this.#link.unusedPartitions;
  }

  onEpoch(listener: (epoch: Epoch) => void): () => void {
    return this.#link.onEpoch(listener);
  }

  open(signal?: AbortSignal): Promise<void> {
    return this.#link.open(signal);
  }

  async close({ settleMs }: { readonly settleMs: number }): Promise<void> {
    await this.#writer.close(settleMs);
    this.#link.close();
  }

  readFrom(request: ReadRequest): Promise<ReadOutcome> {
    return this.#reader.readFrom(request);
  }

  bounds(partition: number): Promise<BoundsOutcome> {
    return this.#reader.bounds(partition);
  }

  offsetAtTime(partition: number, timeMs: number): Promise<OffsetOutcome> {
    return this.#reader.offsetAtTime(partition, timeMs);
  }

  append(request: AppendRequest): void {
    this.#writer.append(request);
  }
}

export function createKafkaLog(options: KafkaLogOptions): Log {
  return new KafkaLog(options);
}
