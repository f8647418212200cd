import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AuditRecord, decodeAudit, encodeAudit } from "./audit.ts";
import { AUDIT_VERSIONS, typeOf } from "./schema-index.ts";

const text = fc.string({ unit: "grapheme" });
const record = fc.record(
  {
    id: text,
    atMs: fc.nat(),
    operator: text,
    address: text,
    action: text,
    parameters: fc.dictionary(
      text.filter((name) => name !== "__proto__"),
      fc.oneof(text, fc.nat(), fc.boolean()),
      { noNullPrototype: true },
    ),
    end: fc.record({ status: fc.integer({ min: 100, max: 599 }), outcome: text }),
  },
  {
    requiredKeys: ["id", "atMs", "operator", "address", "action", "parameters"],
    noNullPrototype: true,
  },
);

describe("the record of an operator's call", () => {
  it("is read as it was written, with an outcome or without", () => {
    fc.assert(
      fc.property(record, (written) => {
        expect(decodeAudit(encodeAudit(written as AuditRecord))).toEqual(written);
      }),
    );
  });

  it("is never made of other bytes, nor of parameters that are no object, nor does it throw", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeAudit(bytes)).toBeUndefined();
      }),
    );
    const [version] = AUDIT_VERSIONS;
    if (version === undefined) throw new Error("no version");
    for (const parameters of ["[]", "null", "7", "{", ""]) {
      const names = { id: "1", operator: "o", address: "", action: "move", parameters };
      const body = typeOf(version.schema).toBuffer({
        ...names,
        at: 1n,
        status: null,
        outcome: null,
      });
      const head = Buffer.from([0, 0, 0, version.id >> 8, version.id & 0xff]);
      expect(decodeAudit(Buffer.concat([head, body]))).toBeUndefined();
    }
  });
});
