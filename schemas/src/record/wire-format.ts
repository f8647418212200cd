import { type SchemaVersion, typeOf } from "./schema-index.ts";

/** What a value in the Confluent wire format holds, by field name, or why nobody can read it. */
export type WireOutcome =
  | { readonly kind: "fields"; readonly fields: unknown }
  | { readonly kind: "undecodable"; readonly why: string };

/** Confluent wire format: a zero byte, the schema id (big-endian), the Avro body. */
const MAGIC = 0;
const HEADER_BYTES = 5;

/** Values of one subject: written by one of its schemas, read whichever of them has written it. */
export class WireFormat {
  /** By which values are written. */
  readonly #id: number;
  readonly #writer: ReturnType<typeof typeOf>;
  readonly #type: ReturnType<typeof typeOf>;
  /** How the newest version reads each one that was ever written; itself without a detour. */
  readonly #resolvers: ReadonlyMap<
    number,
    ReturnType<ReturnType<typeof typeOf>["createResolver"]> | undefined
  >;

  /** `written`: the version in which values are written; without it, the newest. */
  constructor(versions: readonly SchemaVersion[], written = versions.length) {
    const newest = versions.at(-1);
    const writer = versions.find(({ version }) => version === written);
    if (newest === undefined || writer === undefined) {
      throw new Error(`the index names no schema of version ${written}`);
    }
    const type = typeOf(newest.schema);
    this.#id = writer.id;
    this.#writer = writer === newest ? type : typeOf(writer.schema);
    this.#type = type;
    this.#resolvers = new Map(
      versions.map(({ id, schema }) => [
        id,
        id === newest.id ? undefined : type.createResolver(typeOf(schema)),
      ]),
    );
  }

  /** In memory of its own. */
  encode(fields: object): Uint8Array {
    const body = this.#writer.toBuffer(fields);
    const value = Buffer.allocUnsafe(HEADER_BYTES + body.length);
    value.writeUInt8(MAGIC, 0);
    value.writeUInt32BE(this.#id, 1);
    value.set(body, HEADER_BYTES);
    return value;
  }

  /** Never throws, whatever the bytes. */
  decode(value: Uint8Array): WireOutcome {
    if (value.length < HEADER_BYTES) return { kind: "undecodable", why: "too short" };
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    if (bytes[0] !== MAGIC) return { kind: "undecodable", why: "no schema id" };
    const id = bytes.readUInt32BE(1);
    if (!this.#resolvers.has(id)) return { kind: "undecodable", why: `unknown schema id ${id}` };
    try {
      const { value: fields, offset } = this.#type.decode(
        bytes,
        HEADER_BYTES,
        this.#resolvers.get(id),
      );
      if (offset !== bytes.length) return { kind: "undecodable", why: "truncated or too long" };
      return { kind: "fields", fields };
    } catch (error) {
      return { kind: "undecodable", why: `not of its schema: ${(error as Error).name}` };
    }
  }
}
