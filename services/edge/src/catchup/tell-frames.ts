import type { ConversationId, DownFrame, GapReason } from "@millrace/schemas";
import type { Told } from "../hub/told.ts";

export function liveFrame(conversation: ConversationId, position: Told): Uint8Array {
  return encode({ t: "live", c: conversation, pos: position.text });
}

export function gapFrame(gap: {
  readonly conversation: ConversationId;
  readonly after: Told;
  readonly to: Told;
  readonly reason: GapReason;
  /** Undefined: not known. */
  readonly missed: number | undefined;
}): Uint8Array {
  return encode({
    t: "gap",
    c: gap.conversation,
    after: gap.after.text,
    pos: gap.to.text,
    reason: gap.reason,
    missed: gap.missed ?? null,
  });
}

function encode(frame: DownFrame): Uint8Array {
  return Buffer.from(JSON.stringify(frame));
}
