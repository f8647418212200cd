import { silentLogger } from "@millrace/runtime";
import type { EpochId } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { expect, it } from "vitest";
import { channelOf } from "./relay-bucket.ts";
import { encodePiece } from "./relay-piece.ts";
import { RelayReceiver } from "./relay-receiver.ts";

const TOPIC = "chat.messages";

it("A piece of another version is counted and says nothing", () => {
  const heard: bigint[] = [];
  let unreadable = 0;
  const receiver = new RelayReceiver({
    topic: TOPIC,
    source: { hear: () => Promise.resolve(), unhear: () => Promise.resolve() },
    clock: new FakeClock(),
    logger: silentLogger,
    onPiece: (_partition, _bucket, { next }) => heard.push(next),
    onUnreadable: () => unreadable++,
  });
  receiver.follow(3, 4);
  const channel = channelOf(TOPIC, 3, 4);
  const epoch = "e" as EpochId;
  const ours = encodePiece({ epoch, run: "edge-1.a", base: 1n, next: 2n, records: [] });
  receiver.heard(channel, ours);
  const newer = Buffer.from(ours);
  newer.writeUInt8(ours.readUInt8(0) + 1, 0);
  receiver.heard(channel, newer);
  receiver.heard(channel, Buffer.alloc(0));
  expect({ heard, unreadable }).toEqual({ heard: [2n], unreadable: 2 });
});
