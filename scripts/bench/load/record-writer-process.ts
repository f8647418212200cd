import { type Epoch, type Log, createKafkaLog } from "@millrace/log";
import { must, seededRandom, silentLogger, systemClock } from "@millrace/runtime";
import { partitionOf } from "@millrace/schemas";
import { encodeMessage, newMessageId } from "@millrace/schemas/record";
import { answerParent } from "./load-worker.ts";
import { nowUs } from "./monotonic.ts";
import { OpenLoop } from "./open-loop.ts";
import type { WriterCommand, WriterPlan } from "./record-writer.ts";
import { bodyText, conversationName, keyText } from "./stamped-frame.ts";
import { Tally } from "./tally.ts";

const DEADLINE_MS = 30_000;

interface Room {
  readonly name: string;
  readonly key: Buffer;
  readonly partition: number;
}

/** Appends records as an edge would, and nothing else. */
class Writer {
  readonly #log: Log;
  readonly #epoch: Epoch;
  readonly #random: () => number;
  readonly #tally = new Tally();
  readonly #loop = new OpenLoop((intendedUs) => this.#append(intendedUs));
  #rooms: readonly Room[] = [];
  #count = 0;

  constructor(log: Log, { seed }: WriterPlan) {
    this.#log = log;
    this.#epoch = must(log.epoch, "an open log");
    this.#random = seededRandom(seed);
  }

  run(command: Exclude<WriterCommand, { name: "open" }>): unknown {
    switch (command.name) {
      case "publish":
        this.#rooms = command.rooms.map((room) => this.#roomOf(room));
        void this.#loop.start({ perS: command.perS, random: this.#random });
        return undefined;
      case "quiet":
        return this.#loop.stop();
      case "window":
        return this.#tally.take();
    }
  }

  #roomOf(index: number): Room {
    const name = conversationName(index);
    const key = Buffer.from(name);
    return { name, key, partition: partitionOf(key, this.#epoch.partitions) };
  }

  #append(intendedUs: number): void {
    const index = Math.floor(this.#random() * this.#rooms.length);
    const { name, key, partition } = must(this.#rooms[index], "a conversation");
    const tally = this.#tally;
    tally.sent++;
    tally.lateness.record(nowUs() - intendedUs);
    this.#log.append({
      partition,
      key,
      value: recordOf(name, keyText({ stampUs: intendedUs, client: 0, count: this.#count++ })),
      headers: [],
      deadlineMs: systemClock.nowMs() + DEADLINE_MS,
      onOutcome: ({ kind }) => {
        if (kind !== "appended") return tally.error(`a record was ${kind}`);
        tally.acknowledged++;
        tally.acknowledgement.record(nowUs() - intendedUs);
      },
    });
  }
}

function recordOf(conversation: string, key: string): Uint8Array {
  const nowMs = Date.now();
  return encodeMessage({
    id: newMessageId(nowMs),
    conversation,
    sender: "bench-0",
    recipient: null,
    group: conversation,
    key,
    contentType: "application/json",
    content: bodyText(),
    meta: {},
    ref: null,
    op: null,
    sentAt: BigInt(nowMs),
  });
}

async function open(plan: WriterPlan): Promise<Writer> {
  const { brokers, topic } = plan;
  const log = createKafkaLog({ brokers, topic, clientId: "writer", logger: silentLogger });
  await log.open();
  return new Writer(log, plan);
}

let writer: Promise<Writer> | undefined;

answerParent(async (command: WriterCommand) => {
  if (command.name !== "open") return (await must(writer, "a writer that was opened")).run(command);
  writer = open(command.plan);
  await writer;
});
