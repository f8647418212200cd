import type { Clock, Logger, Timer } from "@millrace/runtime";
import { channelOf } from "./relay-bucket.ts";
import { type RelayPiece, decodePiece } from "./relay-piece.ts";

/** Sharded pub/sub, as the receiver needs it. */
export interface PieceSource {
  /** Resolves when the channel is heard; rejects when that can't be had now. */
  hear(channel: string): Promise<void>;
  /** Never rejects. */
  unhear(channel: string): Promise<void>;
}

export interface RelayReceiverOptions {
  readonly topic: string;
  readonly source: PieceSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onPiece: (partition: number, bucket: number, piece: RelayPiece) => void;
  /** Something came that is no piece of a version that is known here. */
  readonly onUnreadable: () => void;
}

/** A channel that is followed and silent for that long is asked for again. */
const SILENCE_MS = 2_000;

interface Channel {
  readonly partition: number;
  readonly bucket: number;
  heardMs: number;
}

/**
 * The other side of the relay: hears the channels of the buckets that are followed. It promises
 * nothing: a piece may come late, twice or never, and `BucketMark` finds out.
 */
export class RelayReceiver {
  readonly #options: RelayReceiverOptions;
  readonly #channels = new Map<string, Channel>();
  #timer: Timer | undefined;

  constructor(options: RelayReceiverOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.after(SILENCE_MS, () => {
      this.#askAgain();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    for (const name of this.#channels.keys()) void this.#options.source.unhear(name);
    this.#channels.clear();
  }

  follow(partition: number, bucket: number): void {
    const name = channelOf(this.#options.topic, partition, bucket);
    if (this.#channels.has(name)) return;
    this.#channels.set(name, { partition, bucket, heardMs: this.#options.clock.nowMs() });
    this.#hear(name);
  }

  unfollow(partition: number, bucket: number): void {
    const name = channelOf(this.#options.topic, partition, bucket);
    if (this.#channels.delete(name)) void this.#options.source.unhear(name);
  }

  /** On a connection that hears nothing yet. */
  hearAll(hear: (channel: string) => Promise<void>): void {
    for (const name of this.#channels.keys()) this.#report(hear(name));
  }

  /** A message of the source. */
  heard(name: string, bytes: Buffer): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    const piece = decodePiece(bytes);
    // Of an owner that speaks another version: to this edge the channel is silent, and it reads the log.
    if (piece === undefined) return this.#options.onUnreadable();
    channel.heardMs = this.#options.clock.nowMs();
    this.#options.onPiece(channel.partition, channel.bucket, piece);
  }

  #hear(name: string): void {
    this.#report(this.#options.source.hear(name));
  }

  #report(heard: Promise<void>): void {
    heard.catch((error: unknown) => {
      this.#options.logger.debug({ error: String(error) }, "a relay channel can't be heard yet");
    });
  }

  #askAgain(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [name, channel] of this.#channels) {
      if (nowMs - channel.heardMs < SILENCE_MS) continue;
      channel.heardMs = nowMs;
      // First not any more: the client of a cluster keeps each time that it was asked.
      void this.#options.source.unhear(name).then(() => {
        if (this.#channels.has(name)) this.#hear(name);
      });
    }
  }
}
