import type { Acknowledgements } from "./acknowledgements.ts";
import type { Stored } from "./evidence.ts";
import { type KeyRecord, SenderKeys } from "./key-record.ts";
import type { Offences } from "./offence.ts";
import { type Origin, originOf } from "./origin.ts";

const TOPIC = "the topic";

/** How many records stand there a second time, and who made them. */
export type Repeats = Record<Origin, number>;

/** Each sender's order in a conversation, and keys that stand there again. */
export class TopicJudge {
  readonly #offences: Offences;
  readonly #acknowledgements: Acknowledgements;
  readonly #isStrict: boolean;
  readonly #senders = new Map<string, SenderKeys>();
  readonly repeats: Repeats = { broker: 0, "same-edge": 0, "other-edge": 0, unknown: 0 };

  constructor(options: {
    readonly offences: Offences;
    readonly acknowledgements: Acknowledgements;
    /** A key that stands there again is an offence. */
    readonly isStrict: boolean;
  }) {
    this.#offences = options.offences;
    this.#acknowledgements = options.acknowledgements;
    this.#isStrict = options.isStrict;
  }

  stored(message: Stored): void {
    this.#acknowledgements.stored(message, this.#recordOf(message));
  }

  #recordOf(message: Stored): KeyRecord {
    const { c, from, key, pos, mark } = message;
    const fresh: KeyRecord = { pos, mark, isAcknowledged: false };
    if (key === "") return fresh;
    const sender = this.#sender(c, from);
    const first = sender.get(key);
    if (first !== undefined) {
      // A repeated key is told apart: it is no message of its own.
      this.#repeated(message, first);
      return first;
    }
    sender.add(key, fresh);
    const highest = sender.overtakenBy(key);
    if (highest !== undefined) {
      const text = `${from}'s ${key} at ${pos} stands behind ${highest}`;
      this.#offences.add({ kind: "inverted", where: TOPIC, c, pos, text });
    }
    return fresh;
  }

  #repeated({ c, from, key, pos, mark }: Stored, first: KeyRecord): void {
    const origin = originOf(first.mark, mark);
    this.repeats[origin] += 1;
    if (!this.#isStrict) return;
    const who = `${first.mark ?? "unknown"} and ${mark ?? "unknown"}: ${origin}`;
    const text = `${from}'s ${key} at ${first.pos} stands there again at ${pos} (${who})`;
    this.#offences.add({ kind: "repeated", where: TOPIC, c, pos, text });
  }

  #sender(c: string, from: string): SenderKeys {
    const name = JSON.stringify([c, from]);
    let sender = this.#senders.get(name);
    if (sender === undefined) this.#senders.set(name, (sender = new SenderKeys()));
    return sender;
  }
}
