import { type EdgeId, parseEdgeId } from "../edge-id.ts";
import { percentDecode, percentEncode } from "../text.ts";
import { CONTROL_VERSIONS } from "./schema-index.ts";
import { WireFormat } from "./wire-format.ts";

/** What an order is about; there is at most one for each subject, the newest. */
export type OrderSubject =
  | { readonly kind: "pin" | "pause"; readonly partition: number }
  | { readonly kind: "weight"; readonly edge: EdgeId };

/** What an operator has ordered about partitions and edges. */
export type Order =
  /** The partition belongs to that edge, whenever it is there. */
  | { readonly kind: "pin"; readonly partition: number; readonly edge: EdgeId }
  /** The edge's share of the partitions, instead of the one that it was started with. */
  | { readonly kind: "weight"; readonly edge: EdgeId; readonly weight: number }
  /** No edge hands on that partition's records. */
  | { readonly kind: "pause"; readonly partition: number };

/** What a record of `chat.control` holds that is an order: `avro/control.v2.avsc`. */
export interface OrderRecord {
  readonly order: Order;
  readonly operator: string;
  /** Milliseconds since 1970, by the clock of the edge that took the call. */
  readonly ruledAtMs: number;
}

/** The fields of the record's value that orders use. */
export interface OrderFields {
  readonly kind: string;
  readonly user: string;
  readonly operator: string;
  readonly ruled_at: bigint;
  readonly partition: number | null;
  readonly edge: string | null;
  readonly weight: number | null;
}

/** As many partitions as keys can be spread over (`EDGE_PARTITIONS`): this bounds pins and pauses. */
export const ORDER_PARTITIONS_MAX = 10_000;

export const ORDER_WEIGHT_MAX = 1_000;

/** No sign, no leading zero, so that no two keys spell one number. */
const NUMBER = /^(?:0|[1-9]\d{0,4})$/;

const format = new WireFormat(CONTROL_VERSIONS);

/** The text of the record key: `pin/7`, `pause/7`, `weight/<edge>`, the edge percent-encoded. */
export function orderText(subject: OrderSubject): string {
  const name = subject.kind === "weight" ? percentEncode(subject.edge) : subject.partition;
  return `${subject.kind}/${name}`;
}

export function orderRecordKey(subject: OrderSubject): Uint8Array {
  return Buffer.from(orderText(subject));
}

export function encodeOrder({ order, operator, ruledAtMs }: OrderRecord): Uint8Array {
  return format.encode({
    kind: order.kind,
    user: "",
    conversation: null,
    until: null,
    position: null,
    operator,
    ruled_at: BigInt(Math.trunc(ruledAtMs)),
    partition: order.kind === "weight" ? null : order.partition,
    edge: order.kind === "pause" ? null : order.edge,
    weight: order.kind === "weight" ? order.weight : null,
  });
}

/** The partition that a path or a key names; undefined for any other spelling. */
export function parseOrderPartition(text: string): number | undefined {
  const partition = NUMBER.test(text) ? Number(text) : ORDER_PARTITIONS_MAX;
  return partition < ORDER_PARTITIONS_MAX ? partition : undefined;
}

export function isOrderWeight(weight: unknown): weight is number {
  const isWhole = typeof weight === "number" && Number.isSafeInteger(weight);
  return isWhole && weight >= 0 && weight <= ORDER_WEIGHT_MAX;
}

/** The subject that a record key names; undefined: it names no order's. */
export function orderSubjectIn(text: string): OrderSubject | undefined {
  const [, kind = "", name = ""] = /^(\w+)\/([^/]+)$/s.exec(text) ?? [];
  if (kind === "weight") {
    const edge = parseEdgeId(percentDecode(name));
    return edge && { kind, edge };
  }
  const partition = parseOrderPartition(name);
  if (partition === undefined || (kind !== "pin" && kind !== "pause")) return undefined;
  return { kind, partition };
}

/** The order of that subject in a record's value; undefined: it holds none, or of another subject. */
export function orderIn(fields: OrderFields, subject: OrderSubject): Order | undefined {
  const { kind } = subject;
  if (fields.kind !== kind || fields.user !== "") return undefined;
  if (kind === "weight") {
    const { edge } = subject;
    const isOfEdge = fields.edge === edge && fields.partition === null;
    return isOfEdge && isOrderWeight(fields.weight)
      ? { kind, edge, weight: fields.weight }
      : undefined;
  }
  const { partition } = subject;
  if (fields.partition !== partition || fields.weight !== null) return undefined;
  if (kind === "pause") return fields.edge === null ? { kind, partition } : undefined;
  const edge = parseEdgeId(fields.edge);
  return edge && { kind, partition, edge };
}
