/**
 * The layout that the load side and the edge's `msg` frames have in common, so that a delivery is
 * understood by offsets alone. A publish carries the time at which it was meant to be sent in its
 * key, in digits of fixed width; the key is the last field of a `msg` frame (its body, which stands
 * before it, has no `meta`, `ref` or `op` behind it), so the stamp stands at a fixed distance from
 * the frame's end. A publish without a key has the same at the end of its body, which then is the
 * last field.
 */

const STAMP_DIGITS = 14;
const CLIENT_DIGITS = 5;
const COUNT_DIGITS = 7;
const ID_DIGITS = 7;

const KEY_BYTES = STAMP_DIGITS + 1 + CLIENT_DIGITS + 1 + COUNT_DIGITS;
const BODY_BYTES = 200;

/** `"}` */
const BEHIND_KEY = 2;

/** `{"t":"pubd","id":` */
const PUBD_ID_AT = 17;

const ZERO = 48;
const QUOTE = 34;
const SPACE = 32;

/** Ids are of one width, so the first is no zero. */
export const FIRST_ID = 10 ** (ID_DIGITS - 1);

const CONVERSATION_DIGITS = 5;

export function conversationName(index: number): string {
  return `room:bench-${String(index).padStart(CONVERSATION_DIGITS, "0")}`;
}

/** A body of 200 bytes of JSON. */
export function bodyText(): string {
  const fixed = JSON.stringify({ kind: "bench", text: "" });
  return JSON.stringify({ kind: "bench", text: "m".repeat(BODY_BYTES - fixed.length) });
}

/** A publish as JSON text whose id and key (or end of the body) are overwritten for each use. */
export function publishText(
  conversation: string,
  { hasKey = true } = {},
): { readonly text: string; readonly idAt: number; readonly keyAt: number } {
  const key = "0".repeat(KEY_BYTES);
  const text = JSON.stringify({
    t: "pub",
    id: FIRST_ID,
    c: conversation,
    ...(hasKey ? { body: bodyText(), key } : { body: `${"m".repeat(BODY_BYTES)} ${key}` }),
  });
  return { text, idAt: text.indexOf(String(FIRST_ID)), keyAt: text.lastIndexOf(key) };
}

function writeDigits(bytes: Buffer, at: number, width: number, value: number): void {
  let rest = value;
  for (let index = at + width - 1; index >= at; index--) {
    const next = Math.floor(rest / 10);
    bytes[index] = ZERO + rest - next * 10;
    rest = next;
  }
}

export function writeId(bytes: Buffer, at: number, id: number): void {
  writeDigits(bytes, at, ID_DIGITS, id);
}

export function writeKey(
  bytes: Buffer,
  at: number,
  key: { readonly stampUs: number; readonly client: number; readonly count: number },
): void {
  const clientAt = at + STAMP_DIGITS + 1;
  writeDigits(bytes, at, STAMP_DIGITS, Math.floor(key.stampUs));
  bytes[clientAt - 1] = 45;
  writeDigits(bytes, clientAt, CLIENT_DIGITS, key.client);
  bytes[clientAt + CLIENT_DIGITS] = 45;
  writeDigits(bytes, clientAt + CLIENT_DIGITS + 1, COUNT_DIGITS, key.count);
}

/** The key of a record that no client publishes. */
export function keyText(key: Parameters<typeof writeKey>[2]): string {
  const bytes = Buffer.alloc(KEY_BYTES);
  writeKey(bytes, 0, key);
  return bytes.toString("latin1");
}

/** The stamp of a `msg` frame that ends at `end`; NaN when it is not one of the bench's own. */
export function stampOf(bytes: Buffer, end: number): number {
  const at = end - BEHIND_KEY - KEY_BYTES;
  const before = bytes[at - 1];
  const isStamp = (before === QUOTE || before === SPACE) && bytes[end - BEHIND_KEY] === QUOTE;
  if (!isStamp) return Number.NaN;
  return digits(bytes, at, STAMP_DIGITS);
}

/** The id of a `pubd` frame that begins at `start`. */
export function pubdId(bytes: Buffer, start: number): number {
  return digits(bytes, start + PUBD_ID_AT, ID_DIGITS);
}

function digits(bytes: Buffer, at: number, width: number): number {
  let value = 0;
  for (let index = at; index < at + width; index++) value = value * 10 + (bytes[index] ?? 0) - ZERO;
  return value;
}
