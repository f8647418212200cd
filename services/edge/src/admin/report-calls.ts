import { type ConversationId, parseConversation } from "@millrace/schemas";
import { refuse } from "../admission/refusal.ts";
import { jsonAnswer } from "../http/http-answer.ts";
import type { HttpAnswer } from "../http/http-exchange.ts";
import type { EdgeReports } from "../watch/edge-reports.ts";
import type { AdminCall, AdminServices } from "./admin-routes.ts";
import { userOf } from "./ruling-calls.ts";

export type ReportServices = Pick<EdgeReports, "edge" | "connections" | "conversation">;

export async function edgeReport({ reports }: AdminServices): Promise<HttpAnswer> {
  return jsonAnswer(200, await reports.edge());
}

/** Of a user who is not connected here: none. With `conversation`, what each may do there, too. */
export async function connectionReports(
  { reports }: AdminServices,
  { names, query }: AdminCall,
): Promise<HttpAnswer> {
  const user = userOf(names["user"]);
  const text = query.get("conversation");
  const conversation = text === null ? undefined : conversationOf(text);
  return jsonAnswer(200, reports.connections(user, conversation));
}

export async function conversationReport(
  { reports }: AdminServices,
  { names }: AdminCall,
): Promise<HttpAnswer> {
  return jsonAnswer(200, await reports.conversation(conversationOf(names["conversation"])));
}

function conversationOf(text: string | undefined): ConversationId {
  return parseConversation(text)?.id ?? refuse(400, "this is no conversation id");
}
