import { readdirSync } from "node:fs";
import { join } from "node:path";
import {
  type Acknowledged,
  Judge,
  type JudgeOptions,
  type TopicPlace,
  TopicReader,
  type Verdict,
  offsetOf,
  partitionOf,
} from "@millrace/testkit/judge";
import { LogFile, type LogLine } from "./log-file.ts";

const PUBLISHED = "published.ndjson";

/** What is read of a log at once. */
const SLICE_LINES = 2_000;

interface Slice {
  readonly name: string;
  readonly lines: readonly LogLine[];
}

/**
 * Reads logs and topic side by side, in slices of the same time, so that memory follows how far the
 * receivers are apart and not how much was said. The topic is read just as far as the slices speak
 * of it; the same rounds follow logs that are still being written.
 */
export class Proceeding {
  readonly #folder: string;
  readonly #judge: Judge;
  readonly #files = new Map<string, LogFile>();
  readonly #openReader: (epoch: string) => Promise<TopicReader>;
  #reader: TopicReader | undefined;
  /** What is acknowledged from now on is not this proceeding's matter. */
  #isFrozen = false;

  constructor(options: {
    readonly folder: string;
    readonly place: Omit<TopicPlace, "epoch">;
    readonly judge: JudgeOptions;
  }) {
    this.#folder = options.folder;
    const judge = new Judge(options.judge);
    this.#judge = judge;
    this.#openReader = (epoch) =>
      TopicReader.open({ ...options.place, epoch }, (message) => judge.stored(message));
  }

  get verdict(): Verdict {
    return this.#judge.verdict;
  }

  /** How many messages receivers still have to be told, as their logs say. */
  get owed(): number {
    return this.#judge.owed;
  }

  get receivers(): number {
    return [...this.#files.keys()].filter((name) => name !== PUBLISHED).length;
  }

  /** Without the publishers' log nothing is owed to anybody. */
  get hasAcknowledged(): boolean {
    return this.#files.has(PUBLISHED);
  }

  /** Whoever publishes on does so without us: for an end while a replay runs. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Judges the next slice of every log; false when there was nothing new. */
  async round(): Promise<boolean> {
    const slices = await this.#slices();
    const lines = slices.flatMap((slice) => slice.lines);
    if (lines.length === 0) return false;
    for (const { name, lines: own } of slices) this.#announce(name, own);
    await this.#readTo(wantedBy(lines), lines);
    for (const { name, lines: own } of slices) {
      if (name !== PUBLISHED) for (const line of own) this.#judge.told(name, line);
    }
    this.#judge.prune();
    return true;
  }

  /** All logs have been read: the topic to its present end, and the judgement. */
  async finish(): Promise<Verdict> {
    await this.#readTo(this.#judge.owedTo, []);
    this.#judge.endReceivers();
    const reader = await this.#topic([]);
    if (reader !== undefined) await reader.readTo(await reader.ends());
    return this.#judge.end();
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.close();
    await this.#reader?.close();
  }

  /** Before the topic is read on: who will be told from where, and what was acknowledged. */
  #announce(name: string, lines: readonly LogLine[]): void {
    if (name !== PUBLISHED) {
      for (const line of lines) if (line.t === "subd") this.#judge.begin(name, line);
      return;
    }
    for (const line of lines) this.#judge.acknowledged(line as Acknowledged);
  }

  async #slices(): Promise<Slice[]> {
    for (const name of logsIn(this.#folder)) {
      if (!this.#files.has(name)) {
        this.#files.set(name, await LogFile.open(name, join(this.#folder, name)));
      }
    }
    const files = [...this.#files.values()].filter((file) => this.#isWanted(file));
    let untilMs = Infinity;
    for (const file of files) {
      // A log that is at its end holds up nobody.
      if (await file.fill(SLICE_LINES)) untilMs = Math.min(untilMs, file.latestMs);
    }
    return files.map((file) => ({ name: file.name, lines: file.take(untilMs) }));
  }

  #isWanted({ name }: LogFile): boolean {
    return !this.#isFrozen || name !== PUBLISHED;
  }

  async #readTo(wanted: ReadonlyMap<number, bigint>, lines: readonly LogLine[]): Promise<void> {
    const reader = await this.#topic(lines);
    if (reader === undefined) return;
    const isRead = [...wanted].every(([partition, at]) => (reader.read.get(partition) ?? 0n) >= at);
    if (isRead) return;
    // What speaks of more than there is must not be waited for.
    const ends = await reader.ends();
    const capped = [...wanted].flatMap(([partition, at]) => {
      const end = ends.get(partition);
      return end === undefined ? [] : [[partition, at < end ? at : end] as const];
    });
    await reader.readTo(new Map(capped));
  }

  /** Positions tell how the topic's incarnation is spelled; before the first there is nothing. */
  async #topic(lines: readonly LogLine[]): Promise<TopicReader | undefined> {
    const position = lines.find(({ pos }) => pos !== undefined)?.pos;
    if (this.#reader === undefined && position !== undefined) {
      this.#reader = await this.#openReader(position.split(".")[0] ?? "");
    }
    return this.#reader;
  }
}

/** By partition, the offset behind what these lines speak of. */
function wantedBy(lines: readonly LogLine[]): Map<number, bigint> {
  const wanted = new Map<number, bigint>();
  for (const { t, pos } of lines) {
    // Others name places where nothing has to stand.
    if (pos === undefined || t === "subd" || t === "live") continue;
    const [partition, offset] = [partitionOf(pos), offsetOf(pos)];
    if (offset > (wanted.get(partition) ?? 0n)) wanted.set(partition, offset);
  }
  return wanted;
}

function logsIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name === PUBLISHED || name.startsWith("receiver-"));
}
