import { seededRandom } from "@millrace/runtime";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";

/** One message to replay: NDJSON with these fields. */
export interface ChatLine {
  readonly conversation: string;
  /** Milliseconds since the beginning. */
  readonly at: number;
  readonly sender: string;
  readonly text: string;
}

/** In the file's order; also from a file that is packed with gzip. Throws with the line's number. */
export async function readChat(file: string): Promise<ChatLine[]> {
  const raw = createReadStream(file);
  const input = file.endsWith(".gz") ? raw.pipe(createGunzip()) : raw;
  const lines: ChatLine[] = [];
  let number = 0;
  for await (const text of createInterface({ input })) {
    number++;
    if (text.trim() !== "") lines.push(parseLine(text, `${file}:${number}`));
  }
  return lines;
}

function parseLine(text: string, place: string): ChatLine {
  let value: Partial<ChatLine>;
  try {
    value = JSON.parse(text) as Partial<ChatLine>;
  } catch (cause) {
    throw new Error(`${place}: not JSON`, { cause });
  }
  const { conversation, at, sender, text: body } = value;
  const isComplete =
    typeof conversation === "string" && typeof sender === "string" && typeof body === "string";
  if (!isComplete || typeof at !== "number") {
    throw new Error(`${place}: conversation, at, sender and text are needed`);
  }
  return { conversation, at, sender, text: body };
}

const WORDS =
  "the a is it on to my you not with and for what how kernel sound disk works try again".split(" ");

/** Plausible chat, the same for the same seed: a few busy rooms, many quiet ones. */
export function generateChat(seed: number, count: number): ChatLine[] {
  const random = seededRandom(seed);
  const pick = (most: number): number => Math.floor(random() ** 2 * most);
  let at = 0;
  return Array.from({ length: count }, () => {
    at += Math.floor(random() * 40);
    const words = Array.from({ length: 2 + pick(20) }, () => WORDS[pick(WORDS.length)]);
    return {
      conversation: `room-${pick(40)}`,
      at,
      sender: `user-${pick(300)}`,
      text: words.join(" "),
    };
  });
}
