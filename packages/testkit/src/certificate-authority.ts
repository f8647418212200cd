import { type KeyObject, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { TAGS, bitString, der, objectId, sequence, text } from "./der.ts";

/** What one side of a connection shows of itself, and the key that proves it; both PEM. */
export interface Certificate {
  readonly chain: string;
  readonly key: string;
}

const ECDSA_WITH_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));
const COMMON_NAME = "2.5.4.3";
const BASIC_CONSTRAINTS = "2.5.29.19";
const SUBJECT_ALT_NAME = "2.5.29.17";

/** [2] of GeneralName is a DNS name, [7] an address; [0] and [3] of a certificate's body. */
const CONTEXT = { dnsName: 0x82, address: 0x87, version: 0xa0, extensions: 0xa3 } as const;

const SERIAL_BYTES = 8;
const DAY_MS = 24 * 3_600_000;
const DAYS_VALID = 30;

interface Subject {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Buffer[];
}

/**
 * A private authority of a test's own: X.509 v3 (RFC 5280) by the platform's cryptography alone, so
 * that no tool has to be there. Its certificates are for this machine's loopback.
 */
export class CertificateAuthority {
  /** PEM, for whoever shall trust it. */
  readonly certificate: string;
  readonly #name: string;
  readonly #key: KeyObject;

  constructor(name: string) {
    this.#name = name;
    const { publicKey, privateKey } = newKeys();
    this.#key = privateKey;
    this.certificate = this.#certify({ name, publicKey, extensions: [authorityExtension()] });
  }

  /** For a server on this machine as well as for a client of that name. */
  issue(name: string): Certificate {
    const { publicKey, privateKey } = newKeys();
    const chain = this.#certify({ name, publicKey, extensions: [loopbackExtension()] });
    return { chain, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
  }

  #certify({ name, publicKey, extensions }: Subject): string {
    const nowMs = Date.now();
    // The clocks of two processes may differ.
    const validity = sequence(utcTime(nowMs - DAY_MS), utcTime(nowMs + DAYS_VALID * DAY_MS));
    const body = sequence(
      der(CONTEXT.version, der(TAGS.INTEGER, Buffer.from([2]))),
      der(TAGS.INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(SERIAL_BYTES)])),
      ECDSA_WITH_SHA256,
      nameOf(this.#name),
      validity,
      nameOf(name),
      publicKey.export({ type: "spki", format: "der" }),
      der(CONTEXT.extensions, sequence(...extensions)),
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

function authorityExtension(): Buffer {
  const isTrue = der(TAGS.BOOLEAN, Buffer.from([0xff]));
  const value = der(TAGS.OCTET_STRING, sequence(isTrue));
  return sequence(objectId(BASIC_CONSTRAINTS), isTrue, value);
}

function loopbackExtension(): Buffer {
  const names = sequence(
    text(CONTEXT.dnsName, "localhost"),
    der(CONTEXT.address, Buffer.from([127, 0, 0, 1])),
  );
  return sequence(objectId(SUBJECT_ALT_NAME), der(TAGS.OCTET_STRING, names));
}

function pemOf(certificate: Buffer): string {
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
