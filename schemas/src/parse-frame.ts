import type { UserId } from "./conversation.ts";
import type { RequestId, UpFrame } from "./frames-up.ts";
import { FieldReader, type FrameRefusal } from "./frame-fields.ts";
import { BATCH_FRAMES_MAX } from "./limits.ts";

/** What the parser must know of the connection: limits in bytes, and who `to` is written by. */
export interface ParseContext {
  readonly user: UserId;
  readonly bodyBytes: number;
  readonly metaBytes: number;
}

export type ParsedFrame =
  | { readonly kind: "frame"; readonly frame: UpFrame }
  | { readonly kind: "refusal"; readonly refusal: FrameRefusal };

export type ParsedMessage =
  | { readonly kind: "frames"; readonly frames: readonly ParsedFrame[] }
  /** Close with 4400: neither a frame nor an array of frames. */
  | { readonly kind: "not-frames"; readonly why: string };

/**
 * One text message of a client. The only place where bytes of a client become typed frames:
 *
 *     message = frame | [ frame, … ]      at most 1,000 frames; docs/protocol.md §2
 *     frame   = { "t": …, … }
 *
 * Unknown fields are ignored and never copied: only named fields of the object are read, so that a
 * `__proto__` or `constructor` in it can reach nothing.
 */
export function parseMessage(text: string, context: ParseContext): ParsedMessage {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message would quote the client's text into logs; ours says enough.
    return { kind: "not-frames", why: "not JSON" };
  }
  const items = Array.isArray(json) ? (json as unknown[]) : [json];
  if (items.length > BATCH_FRAMES_MAX) return { kind: "not-frames", why: "batch too long" };
  if (!items.every(isObject)) return { kind: "not-frames", why: "not a frame" };
  return { kind: "frames", frames: items.map((item) => parseFrame(item, context)) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseFrame(object: Record<string, unknown>, context: ParseContext): ParsedFrame {
  const fields = new FieldReader(object);
  const id = fields.requestId();
  const frame = frameOf(fields, id, context);
  if (fields.refusal !== undefined) return refused(fields, fields.refusal, context);
  if (frame !== undefined) return { kind: "frame", frame };
  return { kind: "refusal", refusal: fields.refuse("bad-frame", "unknown t") };
}

function refused(fields: FieldReader, refusal: FrameRefusal, context: ParseContext): ParsedFrame {
  if (fields.own("t") !== "pub") return { kind: "refusal", refusal };
  return { kind: "refusal", refusal: { ...refusal, pub: fields.pubPlace(context.user) } };
}

function frameOf(
  fields: FieldReader,
  id: RequestId | undefined,
  context: ParseContext,
): UpFrame | undefined {
  const optionalId = id === undefined ? {} : { id };
  switch (fields.own("t")) {
    case "pub":
      return pubFrame(fields, optionalId, context);
    case "sub":
      return {
        t: "sub",
        id: fields.required(id),
        conversation: fields.conversation(),
        from: fields.from(),
      };
    case "unsub":
      return { t: "unsub", ...optionalId, conversation: fields.conversation() };
    case "ack":
      return {
        t: "ack",
        ...optionalId,
        conversation: fields.conversation(),
        position: fields.position("pos"),
      };
    case "skip":
      return { t: "skip", id: fields.required(id), conversation: fields.conversation() };
    case "auth":
      return { t: "auth", id: fields.required(id), token: fields.string("token") };
    case "ping":
      return { t: "ping", ...optionalId };
    default:
      return undefined;
  }
}

function pubFrame(
  fields: FieldReader,
  optionalId: { readonly id?: RequestId },
  context: ParseContext,
): UpFrame {
  const addressee = fields.addressee(context.user);
  return {
    t: "pub",
    ...optionalId,
    ...addressee,
    ...fields.optional("key", () => fields.messageKey()),
    ...fields.optional("behind", () => fields.integer("behind")),
    body: fields.body(context.bodyBytes),
    type: fields.mediaType(),
    ...fields.optional("meta", () => fields.meta(context.metaBytes)),
    ...fields.optional("ref", () => fields.positionText("ref")),
    ...fields.optional("op", () => fields.op()),
  };
}
