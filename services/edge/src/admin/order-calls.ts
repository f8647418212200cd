import { type EdgeId, parseEdgeId } from "@millrace/schemas";
import {
  type Order,
  type OrderSubject,
  ORDER_WEIGHT_MAX,
  isOrderWeight,
  parseOrderPartition,
} from "@millrace/schemas/record";
import type { Clock } from "@millrace/runtime";
import { refuse } from "../admission/refusal.ts";
import { failureAnswer, jsonAnswer } from "../http/http-answer.ts";
import type { HttpAnswer } from "../http/http-exchange.ts";
import type { OrderJournal } from "../orders/order-journal.ts";
import { type Orders, viewOf } from "../orders/orders.ts";
import type { AdminCall, AdminServices } from "./admin-routes.ts";
import { fieldsOf } from "./call-fields.ts";
import { refusalOf } from "./ruling-calls.ts";

export interface OrderServices {
  readonly journal: Pick<OrderJournal, "order" | "lift">;
  /** Undefined until the topic was read in which they stand. */
  readonly current: () => Orders | undefined;
  readonly clock: Pick<Clock, "wallMs">;
  /** How many partitions keys are spread over; undefined until the log was reached. */
  readonly partitions: () => number | undefined;
  /** Has the partitions distributed anew. */
  readonly rejoin: () => void;
}

const RETRY_MS = 1_000;

/** What holds, as this edge has read it. */
export async function orderList({ orders }: AdminServices): Promise<HttpAnswer> {
  const current = orders.current();
  return current === undefined
    ? notYet("the orders have not been read yet")
    : jsonAnswer(200, current.report());
}

export async function pinPut(services: AdminServices, call: AdminCall): Promise<HttpAnswer> {
  const { edge } = fieldsOf(call, ["edge"]);
  const id = parseEdgeId(edge) ?? refuse(400, "edge is missing: the id of the edge to pin it to");
  return onPartition(services, call, (partition) => ({ kind: "pin", partition, edge: id }));
}

export async function pausePut(services: AdminServices, call: AdminCall): Promise<HttpAnswer> {
  fieldsOf(call, []);
  return onPartition(services, call, (partition) => ({ kind: "pause", partition }));
}

export async function weightPut(services: AdminServices, call: AdminCall): Promise<HttpAnswer> {
  const edge = edgeOf(call);
  const { weight } = fieldsOf(call, ["weight"]);
  if (!isOrderWeight(weight))
    refuse(400, `weight is no whole number from 0 to ${ORDER_WEIGHT_MAX}`);
  return order(services, call, { kind: "weight", edge, weight });
}

/** Also of what does not hold, and of a partition that there is no longer. */
export function liftOrder(kind: Order["kind"]) {
  return async ({ orders }: AdminServices, call: AdminCall): Promise<HttpAnswer> => {
    const subject: OrderSubject =
      kind === "weight" ? { kind, edge: edgeOf(call) } : { kind, partition: partitionOf(call) };
    const outcome = await orders.journal.lift(subject);
    return outcome.kind === "ruled" ? { status: 204 } : refusalOf(outcome);
  };
}

export async function rejoin({ orders }: AdminServices): Promise<HttpAnswer> {
  orders.rejoin();
  return { status: 204 };
}

async function onPartition(
  services: AdminServices,
  call: AdminCall,
  orderOf: (partition: number) => Order,
): Promise<HttpAnswer> {
  const partition = partitionOf(call);
  const partitions = services.orders.partitions();
  if (partitions === undefined) return notYet("the log was not reached yet");
  if (partition >= partitions) {
    refuse(400, `there is no partition ${partition}: they go from 0 to ${partitions - 1}`);
  }
  return order(services, call, orderOf(partition));
}

async function order(
  { orders }: AdminServices,
  { operator }: AdminCall,
  what: Order,
): Promise<HttpAnswer> {
  const record = { order: what, operator, ruledAtMs: Math.trunc(orders.clock.wallMs()) };
  const outcome = await orders.journal.order(record);
  return outcome.kind === "ruled" ? jsonAnswer(200, viewOf(record)) : refusalOf(outcome);
}

function partitionOf({ names }: AdminCall): number {
  return parseOrderPartition(names["partition"] ?? "") ?? refuse(400, "this is no partition");
}

function edgeOf({ names }: AdminCall): EdgeId {
  return parseEdgeId(names["edge"]) ?? refuse(400, "this is no edge id");
}

function notYet(message: string): HttpAnswer {
  return failureAnswer({ code: "unavailable", message, retryMs: RETRY_MS });
}
