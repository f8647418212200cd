const encoder = new TextEncoder();

/** Bytes of a string in UTF-8. A lone surrogate counts as the 3 bytes of U+FFFD. */
export function utf8Length(text: string): number {
  // Most texts are ASCII; a char count that is already over the question's bound needs no encoding.
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit <= 0xdfff && isPairAt(text, index)) {
      // A pair is two units and four bytes.
      bytes += 2;
      index += 1;
    } else bytes += 2;
  }
  return bytes;
}

function isPairAt(text: string, index: number): boolean {
  const high = text.charCodeAt(index);
  const low = text.charCodeAt(index + 1);
  return high <= 0xdbff && low >= 0xdc00 && low <= 0xdfff;
}

/** Valid Unicode: no lone surrogate, so that encoding to UTF-8 and back changes nothing. */
export function isValidUnicode(text: string): boolean {
  return text.isWellFormed();
}

/** Has a control character, U+0000–001F or U+007F–009F. */
export function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit <= 0x1f || (unit >= 0x7f && unit <= 0x9f)) return true;
  }
  return false;
}

/** Every byte but RFC 3986's unreserved ones as %XX, upper-case hex. Needs valid Unicode. */
export function percentEncode(text: string): string {
  let encoded = "";
  for (const byte of encoder.encode(text)) encoded += encodedByte[byte];
  return encoded;
}

const encodedByte: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (/[A-Za-z0-9\-._~]/.test(character)) return character;
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
});

/** The text behind {@link percentEncode}'s output; undefined for any other spelling. */
export function percentDecode(encoded: string): string | undefined {
  try {
    const text = decodeURIComponent(encoded);
    return percentEncode(text) === encoded ? text : undefined;
  } catch {
    // decodeURIComponent throws for a broken escape or bytes that are not UTF-8: not our spelling.
    return undefined;
  }
}
