import type { EpochId } from "@millrace/schemas";
import { FakeClock } from "@millrace/testkit";
import { expect, it } from "vitest";
import { MemoryBlockStore } from "../testing/memory-block-store.ts";
import { BlockShelf } from "./block-shelf.ts";
import { Block } from "./block.ts";

const PLACE = { epoch: "e" as EpochId, partition: 0 };
const SIZE = 8n;

it("A block of another version is counted, and is as good as none", async () => {
  const store = new MemoryBlockStore();
  let unreadable = 0;
  const shelf = (): BlockShelf =>
    new BlockShelf({
      store,
      clock: new FakeClock(),
      bytesMax: 1_000_000,
      size: SIZE,
      onUnreadable: () => unreadable++,
    });
  const block = new Block({ from: 0n, next: SIZE, bytes: 9, entries: new Float64Array(0) });
  shelf().put(PLACE, 0n, block);
  const knowing = shelf();
  await knowing.load(PLACE, [0n]);
  expect(knowing.get(PLACE, 0n)).toMatchObject({ next: SIZE, bytes: 9 });
  for (const bytes of store.blocks.values()) bytes.writeUInt8(2, 0);
  const older = shelf();
  await older.load(PLACE, [0n]);
  expect(older.get(PLACE, 0n)).toBeUndefined();
  expect(unreadable).toBe(1);
});
