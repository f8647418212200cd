import {
  type ConversationId,
  type UserId,
  formatPosition,
  parseConversation,
  parseUserId,
} from "@millrace/schemas";
import type { ControlRecord, Ruling } from "@millrace/schemas/record";
import type { Clock } from "@millrace/runtime";
import { refuse } from "../admission/refusal.ts";
import { failureAnswer, jsonAnswer } from "../http/http-answer.ts";
import type { HttpAnswer } from "../http/http-exchange.ts";
import type { RuleRefusal } from "../rights/control-appender.ts";
import type { RulingJournal } from "../rights/ruling-journal.ts";
import type { Rulings } from "../rights/rulings.ts";
import type { AdminCall, AdminServices } from "./admin-routes.ts";
import { fieldsOf } from "./call-fields.ts";

export interface RulingServices {
  readonly journal: RulingJournal;
  /** Undefined until the topic of rulings was read. */
  readonly current: () => Rulings | undefined;
  readonly clock: Pick<Clock, "wallMs">;
}

interface Place {
  readonly user: UserId;
  readonly conversation: ConversationId;
}

const PAGE_COUNT = 1_000;
const RETRY_MS = 1_000;

/** What holds, as this edge has read it: of one user or of all, a thousand at a time. */
export async function rulingList(
  { rulings }: AdminServices,
  { query }: AdminCall,
): Promise<HttpAnswer> {
  const text = query.get("user");
  const user = text === null ? undefined : userOf(text);
  const current = rulings.current();
  if (current === undefined) {
    const message = "the rulings have not been read yet";
    return failureAnswer({ code: "unavailable", message, retryMs: RETRY_MS });
  }
  const after = query.get("after") ?? "";
  const page = current.page({ ...(user && { user }), after, count: PAGE_COUNT });
  const { records, next } = page;
  return jsonAnswer(200, { rulings: records.map(viewOf), ...(next !== undefined && { next }) });
}

export function banPut(services: AdminServices, call: AdminCall): Promise<HttpAnswer> {
  const user = userOf(call.names["user"]);
  const { untilMs } = fieldsOf(call, ["untilMs"]);
  if (untilMs === undefined) return rule(services, call, { kind: "ban", user });
  const isTime = typeof untilMs === "number" && Number.isSafeInteger(untilMs);
  if (!isTime || untilMs <= services.rulings.clock.wallMs()) {
    refuse(400, "untilMs is no time to come, in milliseconds since 1970");
  }
  return rule(services, call, { kind: "ban", user, untilMs });
}

export function removalPut(services: AdminServices, call: AdminCall): Promise<HttpAnswer> {
  fieldsOf(call, []);
  return rule(services, call, { kind: "removal", ...placeOf(call) });
}

export async function beginningPut(services: AdminServices, call: AdminCall): Promise<HttpAnswer> {
  const place = placeOf(call);
  const { pos } = fieldsOf(call, ["pos"]);
  if (typeof pos !== "string") refuse(400, "pos is missing: a position, or `now`");
  const found = await services.rulings.journal.placeOf(place.conversation, pos);
  if (found.kind === "refused") return refusalOf(found);
  return rule(services, call, { kind: "beginning", ...place, position: found.position });
}

/** Also of what does not hold: 204 says that from here on it does not. */
export function liftOf(kind: Ruling["kind"]) {
  return async ({ rulings }: AdminServices, call: AdminCall): Promise<HttpAnswer> => {
    const subject =
      kind === "ban"
        ? ({ kind, user: userOf(call.names["user"]) } as const)
        : { kind, ...placeOf(call) };
    const outcome = await rulings.journal.lift(subject);
    return outcome.kind === "ruled" ? { status: 204 } : refusalOf(outcome);
  };
}

async function rule(
  { rulings }: AdminServices,
  { operator }: AdminCall,
  ruling: Ruling,
): Promise<HttpAnswer> {
  const record = { ruling, operator, ruledAtMs: Math.trunc(rulings.clock.wallMs()) };
  const outcome = await rulings.journal.rule(record);
  return outcome.kind === "ruled" ? jsonAnswer(200, viewOf(record)) : refusalOf(outcome);
}

/** What an operator is told whose word was not taken. */
export function refusalOf({ code, message, isUnknown }: RuleRefusal): HttpAnswer {
  const retry = code === "unavailable" && { retryMs: RETRY_MS };
  return failureAnswer({ code, message, ...retry, ...(isUnknown && { unknown: true }) });
}

function viewOf({ ruling, operator, ruledAtMs }: ControlRecord): object {
  if (ruling.kind !== "beginning") return { ...ruling, operator, ruledAtMs };
  const { position, ...rest } = ruling;
  return { ...rest, pos: formatPosition(position), operator, ruledAtMs };
}

function placeOf({ names }: AdminCall): Place {
  const conversation = parseConversation(names["conversation"])?.id;
  return {
    user: userOf(names["user"]),
    conversation: conversation ?? refuse(400, "this is no conversation id"),
  };
}

/** The user of a path or a query; refused with 400 when it is no user id. */
export function userOf(text: string | undefined): UserId {
  return parseUserId(text) ?? refuse(400, "this is no user id");
}
