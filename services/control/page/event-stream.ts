/** One event of a stream of Server-Sent Events. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** A stream without an end to its event would otherwise grow without bound. */
const EVENT_CHARS_MAX = 8_000_000;

/**
 * Takes the text of a stream as it comes, in parts of any size, and gives the events that are whole
 * (WHATWG HTML, § 9.2.6). Comments, ids and retry times are stepped over: who reads this connects anew by a rule
 * of its own. `EventSource` can't be used because it sends no `Authorization`.
 */
export class EventStreamReader {
  #rest = "";

  take(text: string): StreamEvent[] {
    this.#rest += text;
    if (this.#rest.length > EVENT_CHARS_MAX) throw new Error("an event of the stream has no end");
    const blocks = this.#rest.split(/\r\n\r\n|\n\n|\r\r/);
    this.#rest = blocks.pop() ?? "";
    return blocks.map(eventOf).filter(({ data }) => data !== "");
  }
}

function eventOf(block: string): StreamEvent {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name, value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (name === "event") event = value;
    else if (name === "data") data.push(value);
  }
  return { event, data: data.join("\n") };
}
