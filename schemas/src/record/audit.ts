import { AUDIT_VERSIONS } from "./schema-index.ts";
import { WireFormat } from "./wire-format.ts";

/** What a record of `chat.audit` holds: `avro/audit.v1.avsc` says what each field means. */
export interface AuditRecord {
  readonly id: string;
  /** Milliseconds since 1970, by the clock of the control that took the call. */
  readonly atMs: number;
  readonly operator: string;
  readonly address: string;
  readonly action: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Absent in what is written before the call is carried out. */
  readonly end?: { readonly status: number; readonly outcome: string };
}

const format = new WireFormat(AUDIT_VERSIONS);

/** Both records of one call have it. */
export function auditRecordKey(id: string): Uint8Array {
  return Buffer.from(id);
}

export function encodeAudit(record: AuditRecord): Uint8Array {
  const { id, atMs, operator, address, action, parameters, end } = record;
  return format.encode({
    id,
    at: BigInt(Math.trunc(atMs)),
    operator,
    address,
    action,
    parameters: JSON.stringify(parameters),
    status: end?.status ?? null,
    outcome: end?.outcome ?? null,
  });
}

/** Undefined: nothing that control has written. Never throws. */
export function decodeAudit(value: Uint8Array): AuditRecord | undefined {
  const decoded = format.decode(value);
  if (decoded.kind === "undecodable") return undefined;
  const { at, parameters, status, outcome, ...names } = decoded.fields as {
    readonly id: string;
    readonly at: bigint;
    readonly operator: string;
    readonly address: string;
    readonly action: string;
    readonly parameters: string;
    readonly status: number | null;
    readonly outcome: string | null;
  };
  const asked = objectIn(parameters);
  if (asked === undefined) return undefined;
  return {
    ...names,
    atMs: Number(at),
    parameters: asked,
    ...(status !== null && { end: { status, outcome: outcome ?? "" } }),
  };
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    // A foreign record under our schema may hold any text.
    return undefined;
  }
}
