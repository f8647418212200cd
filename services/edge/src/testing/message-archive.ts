import { must } from "@millrace/runtime";
import { type Position, parsePosition } from "@millrace/schemas";

/** A message that stands, or stood, in the log. */
export interface ArchivedMessage {
  readonly conversation: string;
  readonly id: string;
  readonly epoch: string;
  readonly partition: number;
  readonly offset: bigint;
  /** The log's append time. */
  readonly timestampMs: number;
}

/** Everything that was ever appended, kept beside the log: what a test compares deliveries with. */
export class MessageArchive {
  #messages: ArchivedMessage[] = [];
  #ids = 0;

  newId(): string {
    return `m${++this.#ids}`;
  }

  add(message: ArchivedMessage): void {
    this.#messages.push(message);
  }

  /** The log has lost everything from there on. */
  lose(from: Position): void {
    this.#messages = this.#messages.filter(
      ({ epoch, partition, offset }) =>
        epoch !== from.epoch || partition !== from.partition || offset < from.offset,
    );
  }

  /** The message whose own position that is. */
  at(position: Position): ArchivedMessage | undefined {
    return this.#messages.find(
      ({ epoch, partition, offset }) =>
        epoch === position.epoch &&
        partition === position.partition &&
        offset + 1n === position.offset,
    );
  }

  /** Messages of the conversation behind one position and before the next record's place. */
  between(conversation: string, from: Position, to: bigint): ArchivedMessage[] {
    return this.#messages.filter(
      (message) =>
        message.conversation === conversation &&
        message.epoch === from.epoch &&
        message.partition === from.partition &&
        message.offset >= from.offset &&
        message.offset < to,
    );
  }
}

export function positionOf(text: string): Position {
  return must(parsePosition(text), `a position, not "${text}"`);
}
