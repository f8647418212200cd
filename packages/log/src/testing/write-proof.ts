import { delay, must, systemClock } from "@millrace/runtime";
import type { AppendOutcome, Log, SettledOutcome } from "../port.ts";

/** What became of each value that was sent to one partition, in the order of sending. */
export interface SentValue {
  readonly value: string;
  /** `appended`: acknowledged, so it must be in the log; `absent`: it must not; `open`: either. */
  readonly told: "appended" | "absent" | "open";
  /** Where it was said to stand. */
  readonly offset?: bigint;
}

export interface StoredValue {
  readonly value: string;
  readonly offset: bigint;
}

/** The first thing that is wrong with the log, in words; undefined when all is as it was told. */
export function offence(
  sent: readonly SentValue[],
  stored: readonly StoredValue[],
): string | undefined {
  const places = new Map<string, bigint[]>();
  for (const { value, offset } of stored) {
    places.set(value, [...(places.get(value) ?? []), offset]);
  }
  let last = -1n;
  for (const { value, told, offset } of sent) {
    const at = places.get(value) ?? [];
    if (at.length > 1) return `${value} stands in the log ${at.length} times`;
    if (told === "appended" && at.length === 0) return `${value} was acknowledged and is lost`;
    if (told === "absent" && at.length > 0) return `${value} was denied and is in the log`;
    const place = at[0];
    if (place === undefined) continue;
    if (place < last) return `${value} stands before what was sent before it`;
    if (offset !== undefined && offset !== place) return `${value} stands elsewhere than told`;
    last = place;
  }
  return undefined;
}

/** Everything a partition holds, as text. */
export async function storedValues(log: Log, partition: number): Promise<StoredValue[]> {
  const stored: StoredValue[] = [];
  const epoch = must(log.epoch, "an open log").id;
  const bounds = await patiently(() => log.bounds(partition));
  if (bounds.kind !== "bounds") throw new Error(bounds.why);
  let offset = bounds.startOffset;
  while (offset < bounds.endOffset) {
    const request = { partition, offset, epoch, waitMs: 0, bytesMax: 1_048_576 };
    const chunk = await patiently(() => log.readFrom(request));
    if (chunk.kind !== "chunk") throw new Error(`can't be read: ${chunk.kind}`);
    for (const record of chunk.records) {
      const value = Buffer.from(record.value ?? "").toString();
      stored.push({ value, offset: record.offset });
    }
    offset = chunk.next;
  }
  return stored;
}

/** A cluster that was hurt needs its time. */
async function patiently<Outcome extends { readonly kind: string }>(
  ask: () => Promise<Outcome>,
): Promise<Outcome> {
  for (let attempt = 0; ; attempt++) {
    const outcome = await ask();
    if (outcome.kind !== "unavailable" || attempt === 100) return outcome;
    await delay(systemClock, 200);
  }
}

interface Told {
  readonly value: string;
  outcome: AppendOutcome | undefined;
}

/** Appends through our writer and remembers what was told, in the order of the appends. */
export class Sending {
  readonly #log: Log;
  readonly #partition: number;
  readonly #told: Told[] = [];
  readonly #order: string[] = [];
  #open = 0;

  constructor(log: Log, partition: number) {
    this.#log = log;
    this.#partition = partition;
  }

  send(value: string, deadlineMs = 60_000): void {
    const told: Told = { value, outcome: undefined };
    this.#told.push(told);
    this.#open++;
    this.#log.append({
      partition: this.#partition,
      key: Buffer.from("key"),
      value: Buffer.from(value),
      headers: [],
      deadlineMs: systemClock.nowMs() + deadlineMs,
      onOutcome: (outcome) => {
        told.outcome = outcome;
        this.#order.push(value);
        if (outcome.kind !== "unknown") this.#open--;
      },
      onSettled: (outcome: SettledOutcome) => {
        told.outcome = outcome;
        this.#open--;
      },
    });
  }

  /** Values in the order in which their outcomes were told. */
  get order(): readonly string[] {
    return this.#order;
  }

  get isSettled(): boolean {
    return this.#open === 0;
  }

  outcomeOf(value: string): AppendOutcome | undefined {
    return this.#told.find((told) => told.value === value)?.outcome;
  }

  get values(): SentValue[] {
    return this.#told.map(({ value, outcome }) => {
      if (outcome?.kind === "appended") return { value, told: "appended", offset: outcome.offset };
      if (outcome === undefined || outcome.kind === "unknown") return { value, told: "open" };
      return { value, told: "absent" };
    });
  }
}
