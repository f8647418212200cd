import type { SessionView } from "../session/session-store.ts";
import type { EndOutcome } from "../session/sessions.ts";
import { failureAnswer, jsonAnswer, refusalAnswer } from "./http-answer.ts";
import type { HttpAnswer } from "./http-exchange.ts";

const UNAVAILABLE: HttpAnswer = failureAnswer({
  code: "unavailable",
  message: "sessions can't be read at the moment",
  retryMs: 1_000,
});

/** A user's sessions, the one that lives longest first. */
export function listAnswer(sessions: readonly SessionView[] | undefined): HttpAnswer {
  return sessions === undefined ? UNAVAILABLE : jsonAnswer(200, { sessions });
}

export function endAnswer(outcome: EndOutcome): HttpAnswer {
  switch (outcome) {
    case "ended":
      return { status: 204 };
    case "no-such-session":
      return refusalAnswer({ status: 404, message: "this user has no such session" });
    case "unavailable":
      return UNAVAILABLE;
  }
}
