import type { FrameRefusal, ParsedFrame, UpFrame } from "@millrace/schemas";

/** The refusal of a frame that came too soon: nothing of it is executed, whatever it is. */
export function rateLimited(parsed: ParsedFrame, what: string, retryMs: number): FrameRefusal {
  const code = "rate-limited";
  const message = `more ${what} per second than the limits in welcome`;
  if (parsed.kind === "refusal") return { ...parsed.refusal, code, message, retryMs };
  return { code, message, retryMs, ...nameOf(parsed.frame) };
}

/** As the parser names a frame that it refuses: by its id, else by what it is about. */
function nameOf(frame: UpFrame): Pick<FrameRefusal, "id" | "c" | "key" | "pub"> {
  const { id } = frame;
  const conversation = "conversation" in frame ? frame.conversation : undefined;
  const key = "key" in frame ? frame.key : undefined;
  const name =
    id === undefined
      ? {
          ...(conversation !== undefined && { c: conversation }),
          ...(key !== undefined && { key }),
        }
      : { id };
  if (frame.t !== "pub") return name;
  const { behind } = frame;
  const pub = { conversation: frame.conversation, ...(behind !== undefined && { behind }) };
  return { ...name, pub };
}
