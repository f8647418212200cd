import type { ConnectionReport } from "@millrace/schemas";
import type { Identity } from "../admission/identity.ts";
import type { SessionEntry } from "../session/sessions.ts";

type Names = Pick<ConnectionReport, "connection" | "session" | "user" | "device" | "isResumed">;

/** Of a connection that has never subscribed anything. */
export const NO_SUBSCRIPTIONS: Pick<ConnectionReport, "subscriptionsTotal" | "subscriptions"> = {
  subscriptionsTotal: 0,
  subscriptions: [],
};

/** Who it is; nothing that could be used in their name. */
export function reportedNames(names: {
  readonly identity: Identity;
  readonly entry: SessionEntry;
}): Names {
  const { identity, entry } = names;
  return {
    connection: entry.connectionId,
    session: entry.sessionId,
    user: identity.user,
    device: identity.device ?? null,
    isResumed: entry.isResumed,
  };
}
