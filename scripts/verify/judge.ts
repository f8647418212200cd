/** A message as the topic holds it, in the order of its partition. */
export interface Stored {
  readonly c: string;
  readonly pos: string;
  readonly from: string;
  readonly key: string;
  readonly body: string;
}

/** What one receiver was told of one conversation, in order. */
export interface Told {
  readonly t: string;
  readonly pos: string;
  readonly prev?: string;
  readonly after?: string;
  readonly from?: string;
  readonly key?: string;
  readonly body?: string;
}

export interface Acknowledged {
  readonly c: string;
  readonly from: string;
  readonly key: string;
  readonly pos: string;
}

/**
 * Compares what one receiver was told of a conversation, from where it subscribed, with the topic:
 * nothing missing up to `until`, nothing twice, the same order, the same words, each frame
 * continuing the one before. The first offence with its places, or undefined.
 */
export function offenceOfReceiver(
  stored: readonly Stored[],
  told: readonly Told[],
  until: string,
): string | undefined {
  let position: string | undefined;
  const start = offsetOf(told[0]?.pos ?? "");
  let next = stored.findIndex(({ pos }) => offsetOf(pos) > start);
  if (next === -1) next = stored.length;
  for (const frame of told) {
    const begins = frame.t === "msg" ? frame.prev : frame.after;
    if ((frame.t === "msg" || frame.t === "gap") && begins !== position) {
      return `${frame.t} at ${frame.pos} continues ${begins}, but ${position} was told last`;
    }
    if (frame.t === "subd" && position !== undefined && frame.pos !== position) {
      return `a resume after ${position} began at ${frame.pos}`;
    }
    if (frame.t === "gap") return `a gap from ${frame.after} to ${frame.pos}`;
    if (frame.t === "msg") {
      const wanted = stored[next++];
      const found = compare(wanted, frame);
      if (found !== undefined) return found;
    }
    position = frame.pos;
  }
  const missing = stored[next];
  if (missing === undefined || offsetOf(missing.pos) > offsetOf(until)) return undefined;
  return `the message at ${missing.pos} (${missing.from} ${missing.key}) never came`;
}

function offsetOf(position: string): bigint {
  return BigInt(position.split(".")[2] ?? 0);
}

function compare(wanted: Stored | undefined, told: Told): string | undefined {
  if (wanted === undefined) return `the message at ${told.pos} is not in the topic`;
  if (wanted.pos !== told.pos) return `the message at ${told.pos} came where ${wanted.pos} is next`;
  const isSame = wanted.from === told.from && wanted.key === told.key && wanted.body === told.body;
  return isSame ? undefined : `the message at ${told.pos} is not what the topic holds`;
}

/** Per-sender order and completeness in the topic itself; keys count up for each sender. */
export function offenceOfTopic(
  stored: readonly Stored[],
  acknowledged: readonly Acknowledged[],
): string | undefined {
  const last = new Map<string, number>();
  const places = new Map<string, string[]>();
  for (const { c, from, key, pos } of stored) {
    const name = JSON.stringify([c, from, key]);
    const before = places.get(name);
    places.set(name, [...(before ?? []), pos]);
    // A repeated key is told apart: it is no message of its own.
    if (before !== undefined) continue;
    const sender = JSON.stringify([c, from]);
    const previous = last.get(sender) ?? -1;
    if (Number(key) <= previous) return `${from}'s ${key} at ${pos} stands behind ${previous}`;
    last.set(sender, Number(key));
  }
  for (const { c, from, key, pos } of acknowledged) {
    const at = places.get(JSON.stringify([c, from, key]));
    if (at === undefined) return `${from}'s ${key} was acknowledged at ${pos} and is lost`;
    if (!at.includes(pos)) return `${from}'s ${key} was acknowledged at ${pos}, stands at ${at[0]}`;
  }
  return undefined;
}

/** Records beyond the first with the same conversation, sender and key. */
export function repeatedKeys(stored: readonly Stored[]): number {
  return (
    stored.length - new Set(stored.map(({ c, from, key }) => JSON.stringify([c, from, key]))).size
  );
}
