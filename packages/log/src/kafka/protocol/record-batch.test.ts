import { expect, it } from "vitest";
import { encodeBatch } from "./encode-batch.ts";
import { decodeRecords } from "./record-batch.ts";

it.each([1, 2, 10, 477, 1_000])("reads back %i records as they were written", (count) => {
  const records = Array.from({ length: count }, (_, index) => ({
    key: Buffer.from(`room:${index % 7}`),
    value: Buffer.from(`value ${index} `.repeat(1 + (index % 40))),
    headers: [{ name: "edge", value: Buffer.from(`edge-1/x/${index}`) }],
  }));
  const identity = { producerId: 1n, producerEpoch: 0, baseSequence: 0 };
  const batch = encodeBatch(records, identity, 1_700_000_000_000);
  const decoded = decodeRecords(batch, 0n, []);
  expect(decoded.next).toBe(BigInt(count));
  expect(decoded.records.map(({ key, value, headers }) => ({ key, value, headers }))).toEqual(
    records,
  );
});
