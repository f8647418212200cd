import {
  type KeyObject,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from "node:crypto";
import { TAGS, bitString, der, objectId, sequence, text } from "./der.ts";

/** What one side of a connection shows of itself, and the key that proves it; both PEM. */
export interface Certificate {
  readonly chain: string;
  readonly key: string;
}

const ECDSA_WITH_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));
const COMMON_NAME = "2.5.4.3";
const EXTENSIONS = {
  subjectKey: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKey: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
} as const;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** Bits from the left, behind the number of bits that are left over: certificates and lists; signatures. */
const SIGNS_CERTIFICATES = Buffer.from([1, 0b0000_0110]);
const SIGNS = Buffer.from([7, 0b1000_0000]);

/** [2] of GeneralName is a DNS name, [7] an address; [0] and [3] of a certificate's body. */
const CONTEXT = { dnsName: 0x82, address: 0x87, version: 0xa0, extensions: 0xa3 } as const;

/** [0] of AuthorityKeyIdentifier. */
const KEY_IDENTIFIER = 0x80;

const SERIAL_BYTES = 8;
const DAY_MS = 24 * 3_600_000;
const DAYS_VALID = 30;

interface Subject {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly daysValid: number;
  readonly extensions: readonly Buffer[];
}

export interface AuthorityOptions {
  readonly daysValid?: number;
  /** An authority of before, as `certificate` and `key` told it: it goes on. */
  readonly kept?: Certificate;
}

/**
 * A private authority of our own: X.509 v3 (RFC 5280) by the platform's cryptography alone, so that
 * no tool has to be there. Its certificates are for this machine's loopback.
 */
export class CertificateAuthority {
  /** PEM, for whoever shall trust it. */
  readonly certificate: string;
  readonly #name: string;
  readonly #key: KeyObject;

  constructor(name: string, { daysValid = DAYS_VALID, kept }: AuthorityOptions = {}) {
    this.#name = name;
    if (kept !== undefined) {
      this.#key = createPrivateKey(kept.key);
      this.certificate = kept.chain;
      return;
    }
    const { publicKey, privateKey } = newKeys();
    this.#key = privateKey;
    const extensions = [
      extension(EXTENSIONS.basicConstraints, sequence(TRUE), { isCritical: true }),
      extension(EXTENSIONS.keyUsage, der(TAGS.BIT_STRING, SIGNS_CERTIFICATES), {
        isCritical: true,
      }),
    ];
    this.certificate = this.#certify({ name, publicKey, daysValid, extensions });
  }

  /** PEM; whoever has it can speak for everybody. */
  get key(): string {
    return pemOfKey(this.#key);
  }

  /** For a server on this machine as well as for a client of that name. */
  issue(name: string, daysValid = DAYS_VALID): Certificate {
    const { publicKey, privateKey } = newKeys();
    const extensions = [
      extension(EXTENSIONS.keyUsage, der(TAGS.BIT_STRING, SIGNS), { isCritical: true }),
      extension(
        EXTENSIONS.extendedKeyUsage,
        sequence(objectId(SERVER_AUTH), objectId(CLIENT_AUTH)),
      ),
      extension(EXTENSIONS.subjectAltName, loopbackNames()),
      extension(
        EXTENSIONS.authorityKey,
        sequence(der(KEY_IDENTIFIER, identifierOf(createPublicKey(this.#key)))),
      ),
    ];
    const chain = this.#certify({ name, publicKey, daysValid, extensions });
    return { chain, key: pemOfKey(privateKey) };
  }

  #certify({ name, publicKey, daysValid, extensions }: Subject): string {
    const nowMs = Date.now();
    // The clocks of two processes may differ.
    const validity = sequence(utcTime(nowMs - DAY_MS), utcTime(nowMs + daysValid * DAY_MS));
    const identifier = der(TAGS.OCTET_STRING, identifierOf(publicKey));
    const body = sequence(
      der(CONTEXT.version, der(TAGS.INTEGER, Buffer.from([2]))),
      der(TAGS.INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(SERIAL_BYTES)])),
      ECDSA_WITH_SHA256,
      nameOf(this.#name),
      validity,
      nameOf(name),
      publicKey.export({ type: "spki", format: "der" }),
      der(
        CONTEXT.extensions,
        sequence(...extensions, extension(EXTENSIONS.subjectKey, identifier)),
      ),
    );
    const signature = bitString(sign("sha256", body, this.#key));
    return pemOf(sequence(body, ECDSA_WITH_SHA256, signature));
  }
}

function newKeys(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "prime256v1" });
}

function nameOf(commonName: string): Buffer {
  const attribute = sequence(objectId(COMMON_NAME), text(TAGS.UTF8_STRING, commonName));
  return sequence(der(TAGS.SET, attribute));
}

/** YYMMDDHHMMSSZ. */
function utcTime(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replaceAll(/\D/g, "").slice(2, 14);
  return text(TAGS.UTC_TIME, `${digits}Z`);
}

const TRUE = der(TAGS.BOOLEAN, Buffer.from([0xff]));

function extension(id: string, value: Buffer, { isCritical = false } = {}): Buffer {
  const parts = isCritical ? [objectId(id), TRUE] : [objectId(id)];
  return sequence(...parts, der(TAGS.OCTET_STRING, value));
}

function loopbackNames(): Buffer {
  return sequence(
    text(CONTEXT.dnsName, "localhost"),
    der(CONTEXT.address, Buffer.from([127, 0, 0, 1])),
    der(CONTEXT.address, Buffer.from([...Array.from({ length: 15 }, () => 0), 1])),
  );
}

/** By which a strict verifier finds the authority; RFC 7093 §2 with what RFC 5280 leaves open. */
function identifierOf(publicKey: KeyObject): Buffer {
  const spki = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest().subarray(0, 20);
}

function pemOfKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function pemOf(certificate: Buffer): string {
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
