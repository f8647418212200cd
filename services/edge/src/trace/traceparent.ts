/**
 * The W3C trace context in the one spelling that is taken and written (https://www.w3.org/TR/trace-context/#traceparent-header):
 *
 *     traceparent = "00-" trace-id "-" parent-id "-" flags     55 characters
 *     trace-id    = 32 of 0-9 a-f, not all zeros
 *     parent-id   = 16 of 0-9 a-f, not all zeros
 *     flags       = 2 of 0-9 a-f; the lowest bit: sampled
 *
 * Everything else is as good as none: a message is never refused for its trace.
 */
export type Traceparent = string & { readonly brand: "Traceparent" };

export const TRACEPARENT_HEADER = "traceparent";
export const TRACEPARENT_BYTES = 55;

const GRAMMAR = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export function traceparentIn(text: string | undefined): Traceparent | undefined {
  if (text?.length !== TRACEPARENT_BYTES || !GRAMMAR.test(text)) return undefined;
  return text as Traceparent;
}

/** Of a record; one whose size is wrong is not even turned into text. */
export function traceparentOf(
  headers: readonly { readonly name: string; readonly value: Uint8Array }[],
): Traceparent | undefined {
  const header = headers.find(({ name }) => name === TRACEPARENT_HEADER);
  if (header?.value.length !== TRACEPARENT_BYTES) return undefined;
  return traceparentIn(Buffer.from(header.value).toString("latin1"));
}
