import type { LogChunk, LogRecord } from "./port.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Records by the text of their key, made when first asked for; follows a list that grows. */
export class RecordIndex {
  readonly #records: readonly LogRecord[];
  readonly #byKey = new Map<string, LogRecord[]>();
  #indexed = 0;

  constructor(records: readonly LogRecord[]) {
    this.#records = records;
  }

  get(key: string): readonly LogRecord[] {
    for (; this.#indexed < this.#records.length; this.#indexed++) {
      const record = this.#records[this.#indexed];
      const text = record && textOf(record.key);
      if (record === undefined || text === undefined) continue;
      const records = this.#byKey.get(text);
      if (records === undefined) this.#byKey.set(text, [record]);
      else records.push(record);
    }
    return this.#byKey.get(key) ?? [];
  }
}

const indexes = new WeakMap<LogChunk, RecordIndex>();

/** For a chunk that is a part of what the index covers. */
export function setIndex(chunk: LogChunk, index: RecordIndex): void {
  indexes.set(chunk, index);
}

/**
 * The records of one conversation in a chunk, in order: those whose key is that text in UTF-8. The
 * work is done once for all who ask about the same chunk.
 */
export function recordsOf(chunk: LogChunk, key: string): readonly LogRecord[] {
  let index = indexes.get(chunk);
  if (index === undefined) indexes.set(chunk, (index = new RecordIndex(chunk.records)));
  const records = index.get(key);
  const first = records[0];
  const last = records.at(-1);
  if (first === undefined || last === undefined) return records;
  const isWithin = first.offset >= chunk.from && last.offset < chunk.next;
  if (isWithin) return records;
  return records.filter(({ offset }) => offset >= chunk.from && offset < chunk.next);
}

function textOf(key: Uint8Array | null): string | undefined {
  if (key === null) return undefined;
  try {
    return utf8.decode(key);
  } catch {
    // Not UTF-8: no conversation has such a key.
    return undefined;
  }
}
