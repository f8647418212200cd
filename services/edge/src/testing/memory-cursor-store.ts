import { type Position, formatPosition } from "@millrace/schemas";
import type { CursorKey } from "@millrace/schemas/record";
import { isNewer, nameOf } from "../session/cursor-fold.ts";
import type { CursorStore, CursorWrite } from "../session/cursor-store.ts";
import type { CursorOutcome } from "../session/cursors.ts";

/** What Redis does for cursors, as far as edges can tell: it compares, and it may be away. */
export class MemoryCursorStore implements CursorStore {
  readonly #positions = new Map<string, Position>();
  isAway = false;

  async read(key: CursorKey): Promise<CursorOutcome> {
    if (this.isAway) return { kind: "unknown" };
    const position = this.#positions.get(nameOf(key));
    return position ? { kind: "position", text: formatPosition(position) } : { kind: "none" };
  }

  async write(writes: readonly CursorWrite[]): Promise<readonly boolean[]> {
    return writes.map(({ key, position }) => !this.isAway && this.#move(nameOf(key), position));
  }

  #move(name: string, position: Position): true {
    const known = this.#positions.get(name);
    if (known === undefined || isNewer(position, known)) this.#positions.set(name, position);
    return true;
  }
}

/** The way of one edge to the store: a killed edge's writes no longer arrive. */
export class StoreLink implements CursorStore {
  readonly #store: CursorStore;
  isCut = false;

  constructor(store: CursorStore) {
    this.#store = store;
  }

  read(key: CursorKey): Promise<CursorOutcome> {
    return this.isCut ? Promise.resolve({ kind: "unknown" }) : this.#store.read(key);
  }

  write(writes: readonly CursorWrite[]): Promise<readonly boolean[]> {
    return this.isCut ? Promise.resolve(writes.map(() => false)) : this.#store.write(writes);
  }
}
