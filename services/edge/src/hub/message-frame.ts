import { decodeMessage } from "@millrace/schemas/record";
import type { LogRecord } from "@millrace/log";
import type { EpochId } from "@millrace/schemas";
import { type Told, told } from "./told.ts";

/**
 * A message as a `msg` frame whose `prev` is still open: the one part that depends on who receives
 * it. Everything else is turned into text once, however many receive it.
 */
export interface MessageFrame {
  readonly told: Told;
  /** The message as history has it, a JSON object. */
  readonly fields: string;
  encode(prev: string): Uint8Array;
}

export interface RecordPlace {
  readonly epoch: EpochId;
  readonly partition: number;
  readonly conversation: string;
}

/** The frame of a record, or why nobody can read it; its position where that is known already. */
export function messageFrame(
  record: LogRecord,
  place: RecordPlace,
  position = told(place.epoch, place.partition, record.offset + 1n),
): MessageFrame | { readonly undecodable: string } {
  if (record.value === null) return { undecodable: "no value" };
  const decoded = decodeMessage(record.value);
  if (decoded.kind === "undecodable") return { undecodable: decoded.why };
  const { message } = decoded;
  const head = `"c":${JSON.stringify(place.conversation)},"pos":"${position.text}"`;
  const rest = JSON.stringify({
    id: message.id,
    from: message.sender,
    to: message.recipient ?? undefined,
    ts: record.timestampMs,
    type: message.contentType,
    body: message.content,
    key: message.key ?? undefined,
    meta: isEmpty(message.meta) ? undefined : message.meta,
    ref: message.ref ?? undefined,
    op: message.op ?? undefined,
  }).slice(1);
  return {
    told: position,
    fields: `{${head},${rest}`,
    encode: (prev) => Buffer.from(`{"t":"msg",${head},"prev":"${prev}",${rest}`),
  };
}

function isEmpty(map: Readonly<Record<string, string>>): boolean {
  for (const _ in map) return false;
  return true;
}
