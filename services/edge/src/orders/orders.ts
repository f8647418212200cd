import type { OrderReport } from "@millrace/schemas";
import {
  type Order,
  type OrderRecord,
  type OrderSubject,
  orderText,
} from "@millrace/schemas/record";

/** One record's word about an order: undefined where it is lifted. */
export interface OrderWord {
  readonly subject: OrderSubject;
  readonly record: OrderRecord | undefined;
}

/** What an edge obeys. */
export interface OrdersInForce {
  readonly pins: ReadonlyMap<number, string>;
  isPaused(partition: number): boolean;
  /** Undefined: nothing was ordered, and the edge's own option counts. */
  weightOf(edge: string): number | undefined;
}

type RecordOf<Kind extends Order["kind"]> = OrderRecord & {
  readonly order: Extract<Order, { readonly kind: Kind }>;
};

/**
 * What operators have ordered about partitions and edges and not lifted: of each subject the newest word,
 * as the log has it.
 *
 * Bound: pins and pauses by what their keys can name, weights by `weightsMax`. A weight beyond that is not
 * kept, and does no harm: its edge has the share that it was started with.
 */
export class Orders implements OrdersInForce {
  readonly #weightsMax: number;
  readonly #records = new Map<string, OrderRecord>();
  readonly #pins = new Map<number, string>();
  readonly #weights = new Map<string, number>();
  readonly #pauses = new Set<number>();
  readonly #listeners = new Set<() => void>();

  constructor({ weightsMax }: { readonly weightsMax: number }) {
    this.#weightsMax = weightsMax;
  }

  get pins(): ReadonlyMap<number, string> {
    return this.#pins;
  }

  get weights(): number {
    return this.#weights.size;
  }

  weightOf(edge: string): number | undefined {
    return this.#weights.get(edge);
  }

  isPaused(partition: number): boolean {
    return this.#pauses.has(partition);
  }

  has(subject: OrderSubject): boolean {
    return this.#records.has(orderText(subject));
  }

  /** Called after each change, once for words that come together. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** In the order of the log. */
  take(words: Iterable<OrderWord>): void {
    let hasTaken = false;
    for (const { subject, record } of words) {
      hasTaken = true;
      if (record === undefined) this.#lift(subject);
      else this.#hold(record);
    }
    if (!hasTaken) return;
    for (const listener of this.#listeners) listener();
  }

  /** Everything that holds, partitions by their number and edges by their name. */
  report(): OrderReport {
    const records = [...this.#records].toSorted(([one], [other]) => (one < other ? -1 : 1));
    const all = records.map(([, record]) => record);
    return {
      pins: all.filter(isPin).map(viewOf).toSorted(byPartition),
      weights: all.filter(isWeight).map(viewOf),
      pauses: all.filter(isPause).map(viewOf).toSorted(byPartition),
    };
  }

  #hold(record: OrderRecord): void {
    const { order } = record;
    switch (order.kind) {
      case "pin":
        this.#pins.set(order.partition, order.edge);
        break;
      case "pause":
        this.#pauses.add(order.partition);
        break;
      case "weight":
        if (!this.has(order) && this.#weights.size >= this.#weightsMax) return;
        this.#weights.set(order.edge, order.weight);
        break;
    }
    this.#records.set(orderText(order), record);
  }

  #lift(subject: OrderSubject): void {
    this.#records.delete(orderText(subject));
    if (subject.kind === "weight") this.#weights.delete(subject.edge);
    else if (subject.kind === "pin") this.#pins.delete(subject.partition);
    else this.#pauses.delete(subject.partition);
  }
}

/** An order as operators see it: its kind is said by where it stands. */
export function viewOf<Kind extends Order["kind"]>({
  order,
  operator,
  ruledAtMs,
}: RecordOf<Kind>): Omit<Extract<Order, { readonly kind: Kind }>, "kind"> & {
  readonly operator: string;
  readonly ruledAtMs: number;
} {
  const { kind: _, ...what } = order;
  return { ...what, operator, ruledAtMs };
}

function isPin(record: OrderRecord): record is RecordOf<"pin"> {
  return record.order.kind === "pin";
}

function isWeight(record: OrderRecord): record is RecordOf<"weight"> {
  return record.order.kind === "weight";
}

function isPause(record: OrderRecord): record is RecordOf<"pause"> {
  return record.order.kind === "pause";
}

function byPartition(
  one: { readonly partition: number },
  other: { readonly partition: number },
): number {
  return one.partition - other.partition;
}
