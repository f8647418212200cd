/**
 * What can be wrong. With a receiver: `missing` never came, `repeated` came again, `inverted` came
 * behind a later one, `corrupted` came with other words, `foreign` is not in the topic, `gap` was
 * given up, `broken` does not continue what was told last. With the topic: `lost` was acknowledged
 * and is not there, `corrupted` holds other words than were sent, `inverted` stands behind a later
 * one of its sender, `repeated` stands there again, `foreign` has no known publisher.
 */
export const OFFENCE_KINDS = [
  "missing",
  "lost",
  "repeated",
  "inverted",
  "corrupted",
  "foreign",
  "gap",
  "broken",
] as const;

export type OffenceKind = (typeof OFFENCE_KINDS)[number];

export interface Offence {
  readonly kind: OffenceKind;
  /** The topic, or a receiver's name. */
  readonly where: string;
  readonly c: string;
  /** The position it is about. */
  readonly pos: string;
  readonly text: string;
}

export type OffenceCounts = Record<OffenceKind, number>;

/** What is wrong with one conversation, and where that began. */
export interface ConversationOffences {
  readonly c: string;
  readonly counts: OffenceCounts;
  readonly first: Offence;
}

/** The first of each kind are kept for each place, and all are counted. */
const KEPT_OF_KIND = 5;

export class Offences {
  readonly #first: Offence[] = [];
  readonly #kept = new Map<string, number>();
  readonly #conversations = new Map<string, ConversationOffences>();
  readonly counts = noOffences();

  add(offence: Offence): void {
    const { kind, where, c } = offence;
    this.counts[kind] += 1;
    const conversation = this.#conversations.get(c) ?? { c, counts: noOffences(), first: offence };
    conversation.counts[kind] += 1;
    this.#conversations.set(c, conversation);
    const name = `${where}/${kind}`;
    const kept = this.#kept.get(name) ?? 0;
    if (kept >= KEPT_OF_KIND) return;
    this.#kept.set(name, kept + 1);
    this.#first.push(offence);
  }

  /** As they were found. */
  get first(): readonly Offence[] {
    return this.#first;
  }

  /** Those in which something is wrong. */
  get byConversation(): readonly ConversationOffences[] {
    return [...this.#conversations.values()];
  }
}

function noOffences(): OffenceCounts {
  const counts = OFFENCE_KINDS.map((kind) => [kind, 0] as const);
  return Object.fromEntries(counts) as OffenceCounts;
}
