import { refuse } from "../admission/refusal.ts";
import { jsonAnswer } from "../http/http-answer.ts";
import type { HttpAnswer } from "../http/http-exchange.ts";
import type { AdminCall, AdminServices } from "./admin-routes.ts";
import { fieldsOf } from "./call-fields.ts";

export interface DrainServices {
  readonly drainMs: number;
  /** Ends the process; undefined: whoever has started the edge ends it. */
  readonly stop: (() => void) | undefined;
  /** Stands aside and stays, and takes that back; false: it ends. */
  readonly drain: { stay(): boolean; takeBack(): boolean };
}

const ENDING = jsonAnswer(409, {
  error: "ending",
  message: "this edge is ending, which can't be taken back",
});

/** Answered before the edge ends, or stands aside, and again while it does. */
export async function drainPut({ stopping }: AdminServices, call: AdminCall): Promise<HttpAnswer> {
  const { drainMs, stop, drain } = stopping;
  const { then = "end" } = fieldsOf(call, ["then"]);
  if (then !== "end" && then !== "stay") refuse(400, "then is neither `end` nor `stay`");
  if (then === "stay") return drain.stay() ? jsonAnswer(202, { drainMs }) : ENDING;
  if (stop === undefined) refuse(404, "this edge is ended by the process that it is part of");
  stop();
  return jsonAnswer(202, { drainMs });
}

/** Also where nothing is to be taken back. */
export async function drainLift({ stopping }: AdminServices): Promise<HttpAnswer> {
  return stopping.drain.takeBack() ? { status: 204 } : ENDING;
}
