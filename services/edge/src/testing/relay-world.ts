import { type Log, type LogChunk, MemoryLog, MemoryTopic } from "@millrace/log";
import { type Clock, silentLogger } from "@millrace/runtime";
import { LIMITS } from "../limits.ts";
import { RelayReceiver } from "../relay/relay-receiver.ts";
import { RelaySender } from "../relay/relay-sender.ts";
import { RELAY_BUCKETS, bucketOf } from "../relay/relay-bucket.ts";
import { RelayedPartition } from "../relay/relayed-partition.ts";
import type { TestClock } from "./delivery-world.ts";
import { wrappedLog } from "./wrapped-log.ts";

/** How the network between the edges treats the next pieces. */
export interface Weather {
  /** 0 to 1. */
  readonly loss: number;
  readonly doubles: number;
  readonly delayMs: number;
}

export const CALM: Weather = { loss: 0, doubles: 0, delayMs: 1 };

/** What one edge was handed of one bucket, since it began to follow it. */
interface Handed {
  readonly from: bigint;
  readonly epoch: string;
  readonly offsets: bigint[];
}

const TOPIC = "sim";
const PARTITION = 0;

/**
 * Edges that relay one partition to each other over a network that loses, doubles, delays and
 * reorders, on one log in memory. What each hands to its hubs is written down; nothing else of an
 * edge is there.
 */
export class RelayWorld {
  readonly topic: MemoryTopic;
  readonly edges: RelayEdge[];
  weather: Weather = CALM;
  /** Of the present incarnation, what retention has taken included. */
  #appended: { readonly offset: bigint; readonly bucket: number }[] = [];
  readonly #clock: TestClock;
  readonly #random: () => number;

  constructor(options: {
    readonly clock: TestClock;
    readonly edges: number;
    readonly random: () => number;
  }) {
    const { clock, random } = options;
    this.#clock = clock;
    this.#random = random;
    this.topic = new MemoryTopic({ clock, partitions: 1 });
    this.edges = Array.from({ length: options.edges }, (_, index) => new RelayEdge(this, index));
  }

  get clock(): TestClock {
    return this.#clock;
  }

  async start(): Promise<void> {
    for (const edge of this.edges) edge.start();
    await this.#clock.advance(500);
  }

  async stop(): Promise<void> {
    const stopped = this.edges.map((edge) => edge.stop());
    await this.#clock.advance(10_000);
    await Promise.all(stopped);
  }

  /** Between an edge and the log, one way. */
  latencyMs(): number {
    return 1 + Math.floor(this.#random() * 10);
  }

  append(key: string): void {
    const bytes = Buffer.from(key);
    const record = { key: bytes, value: Buffer.from("x") };
    const offset = this.topic.appendForeign(PARTITION, [record]);
    this.#appended.push({ offset, bucket: bucketOf(bytes) });
  }

  /** Another incarnation under the same name. */
  recreate(): void {
    this.topic.recreate();
    this.#appended = [];
  }

  /** Retention takes the older half. */
  retain(): void {
    const { startOffset, endOffset } = this.topic.range(PARTITION);
    this.topic.deleteBefore(PARTITION, (startOffset + endOffset) / 2n);
  }

  /** To whoever hears the channel, in any order that the delays make. */
  post(channel: string, piece: Buffer): number {
    const hearing = this.edges.filter((edge) => edge.channels.has(channel));
    for (const edge of hearing) {
      const { loss, doubles, delayMs } = this.weather;
      if (this.#random() < loss) continue;
      const copies = this.#random() < doubles ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        const lateMs = Math.ceil(this.#random() * delayMs);
        edge.clock.after(lateMs, () => edge.hear(channel, piece));
      }
    }
    return hearing.length;
  }

  /**
   * What every edge was handed of every bucket that it follows must be the log's own, in order, with
   * nothing twice; at rest also to its end, where it can be read. Undefined: it was.
   */
  offence({ atRest }: { readonly atRest: boolean }): string | undefined {
    const epoch = this.topic.epoch.id;
    for (const [index, edge] of this.edges.entries()) {
      const isWhole = atRest && !edge.isSevered;
      if (edge.hasDisobeyed) return `edge ${index} handed on while it was paused`;
      for (const [bucket, { from, offsets, epoch: of }] of edge.handed) {
        const wanted = this.#appended
          .filter((record) => record.bucket === bucket && record.offset >= from)
          .map(({ offset }) => offset);
        const isPrefix = offsets.every((offset, place) => wanted[place] === offset);
        if (of !== epoch && isWhole) return `edge ${index} bucket ${bucket} is still in ${of}`;
        if (of !== epoch) continue;
        if (!isPrefix)
          return `edge ${index} bucket ${bucket}: ${offsets.join()} of ${wanted.join()}`;
        const missing = wanted.slice(offsets.length);
        if (isWhole && missing.length > 0) {
          return `edge ${index} bucket ${bucket}: ${missing.join()} never came`;
        }
      }
    }
    return undefined;
  }
}

/** The relay's parts of one edge, with a clock that stands still while its process is frozen. */
export class RelayEdge {
  readonly channels = new Set<string>();
  readonly handed = new Map<number, Handed>();
  readonly clock: Clock;
  readonly #log: MemoryLog;
  readonly #sender: RelaySender;
  readonly #receiver: RelayReceiver;
  readonly #partition: RelayedPartition;
  readonly #late: (() => void)[] = [];
  /** Something was handed on while it was paused. */
  hasDisobeyed = false;
  #isFrozen = false;
  #isDeaf = false;
  #isSevered = false;

  constructor(world: RelayWorld, index: number) {
    const { clock } = world;
    this.clock = {
      nowMs: () => clock.nowMs(),
      wallMs: () => clock.wallMs(),
      after: (delayMs, run) => clock.after(delayMs, () => this.#whenAwake(run)),
      endOfTurn: (run) => clock.endOfTurn(() => this.#whenAwake(run)),
    };
    this.#log = new MemoryLog({
      clock: this.clock,
      topic: world.topic,
      latencyMs: () => world.latencyMs(),
    });
    this.#sender = new RelaySender({
      topic: TOPIC,
      incarnation: `edge-${index}`,
      isHeard: () => this.#partition.isHeard,
      clock: this.clock,
      post: { post: async (channel, piece) => world.post(channel, piece) },
    });
    this.#receiver = new RelayReceiver({
      topic: TOPIC,
      clock: this.clock,
      logger: silentLogger,
      source: {
        hear: async (channel) => {
          this.channels.add(channel);
        },
        unhear: async (channel) => {
          this.channels.delete(channel);
        },
      },
      onPiece: (_, bucket, piece) => this.#partition.relayed(bucket, piece),
      onUnreadable: () => undefined,
    });
    this.#partition = new RelayedPartition({
      partition: PARTITION,
      origin: "end",
      log: this.#severable(),
      clock: this.clock,
      logger: silentLogger,
      limits: LIMITS,
      sender: this.#sender,
      receiver: this.#receiver,
      keys: { began: () => undefined, passed: () => undefined },
      hubs: {
        take: (chunk) => this.#take(chunk),
        break: () => this.#break(),
        hasIn: (_, bucket) => this.handed.has(bucket),
      },
    });
  }

  get isDirect(): boolean {
    return this.#partition.isDirect;
  }

  start(): void {
    void this.#log.open();
    this.#receiver.start();
    this.#sender.start();
    this.#partition.start();
  }

  async stop(): Promise<void> {
    this.thaw();
    this.#receiver.stop();
    this.#sender.stop();
    await Promise.all([this.#log.close({ settleMs: 0 }), this.#partition.stop()]);
  }

  own(isOwner: boolean): void {
    this.#sender.own(new Set(isOwner ? [PARTITION] : []));
    this.#partition.own(isOwner);
  }

  /** Its first hub of that bucket is made. */
  follow(key: string): void {
    const bytes = Buffer.from(key);
    const position = this.#partition.positionOf(bytes);
    const bucket = bucketOf(bytes);
    if (position === undefined || this.handed.has(bucket)) return;
    this.handed.set(bucket, { from: position.offset, epoch: position.epoch, offsets: [] });
  }

  /** Its last hub of that bucket ends. */
  unfollow(key: string): void {
    this.handed.delete(bucketOf(Buffer.from(key)));
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const run of this.#late.splice(0)) run();
  }

  /** What is handed on meanwhile is an offence. */
  pause(): void {
    this.#partition.pause();
  }

  resume(): void {
    this.#partition.resume();
  }

  /** The link to Redis is cut: what is said meanwhile is lost to it. */
  deafen(isDeaf: boolean): void {
    this.#isDeaf = isDeaf;
  }

  hear(channel: string, piece: Buffer): void {
    if (!this.#isDeaf) this.#receiver.heard(channel, piece);
  }

  get isSevered(): boolean {
    return this.#isSevered;
  }

  /** No broker answers it any more; what is under way does not come. */
  sever(isSevered: boolean): void {
    this.#isSevered = isSevered;
  }

  #severable(): Log {
    const log = this.#log;
    const unlessSevered = async <Outcome>(asked: Promise<Outcome>) => {
      const outcome = await asked;
      return this.#isSevered ? ({ kind: "unavailable", why: "severed" } as const) : outcome;
    };
    return wrappedLog(log, {
      readFrom: (request) => unlessSevered(log.readFrom(request)),
      bounds: (partition) => unlessSevered(log.bounds(partition)),
    });
  }

  #whenAwake(run: () => void): void {
    if (this.#isFrozen) this.#late.push(run);
    else run();
  }

  #take({ records }: LogChunk): void {
    this.hasDisobeyed ||= this.#partition.isPaused;
    for (const { key, offset } of records) {
      if (key === null) continue;
      const handed = this.handed.get(bucketOf(key));
      if (handed !== undefined && offset >= handed.from) handed.offsets.push(offset);
    }
  }

  /** As hubs do: whoever is there begins anew at the place where the tail goes on. */
  #break(): void {
    // They are put back while they are gone through.
    const buckets = [...this.handed.keys()];
    for (const bucket of buckets) {
      this.handed.delete(bucket);
      const key = keyIn(bucket);
      this.follow(key);
    }
  }
}

/** A key of that bucket. */
function keyIn(bucket: number): string {
  for (let number = 0; ; number++) {
    if (bucketOf(Buffer.from(`room:${number}`)) === bucket) return `room:${number}`;
  }
}

export const KEYS: readonly string[] = Array.from({ length: RELAY_BUCKETS }, (_, bucket) =>
  keyIn(bucket),
).slice(0, 4);
