import { X509Certificate, createPrivateKey, randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Certificate, CertificateAuthority } from "@millrace/testkit";

/** As the issuer, the authority belongs to the checkout: a browser has to be told of it once. */
const FOLDER = fileURLToPath(new URL("../../.millrace/authority/", import.meta.url));

const NAME = "Millrace local authority";
const SERVER = "localhost";
const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;

/** Browsers refuse certificates that are valid for longer than 398 days. */
const SERVER_DAYS = 397;

/** So many days before its end it is made anew; an authority must outlive what it signs. */
const SERVER_DAYS_LEFT = 30;
const AUTHORITY_DAYS_LEFT = SERVER_DAYS + 1;

/** Files of TLS for this machine's loopback. */
export interface LocalCertificate {
  /** PEM of the authority, for whoever shall trust it. */
  readonly caFile: string;
  readonly authority: string;
  /** The key, and the certificate behind it. */
  readonly serverFile: string;
}

/**
 * Made at the first start, and anew when it nears its end. A key and its certificate are one file, so
 * that of several starts at once none ever sees the one without the other.
 */
export function ensureLocalCertificate({
  folder = FOLDER,
  nowMs = Date.now(),
} = {}): LocalCertificate {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const caFile = join(folder, "ca.crt");
  const serverFile = join(folder, "server.pem");
  const isAuthorityGood = (kept: Certificate): boolean =>
    daysLeft(kept, nowMs) > AUTHORITY_DAYS_LEFT;
  const kept = keep(join(folder, "authority.pem"), isAuthorityGood, () => {
    const made = new CertificateAuthority(NAME, { daysValid: AUTHORITY_DAYS });
    return { chain: made.certificate, key: made.key };
  });
  const authority = new CertificateAuthority(NAME, { kept });
  if (read(caFile) !== kept.chain) replace(caFile, kept.chain, 0o644);
  const isServerGood = (server: Certificate): boolean =>
    daysLeft(server, nowMs) > SERVER_DAYS_LEFT && isSignedBy(server, kept);
  keep(serverFile, isServerGood, () => authority.issue(SERVER, SERVER_DAYS));
  return { caFile, authority: kept.chain, serverFile };
}

/** What the file has, if it is still good; else what is made. Who comes second takes the first's. */
function keep(
  file: string,
  isGood: (kept: Certificate) => boolean,
  make: () => Certificate,
): Certificate {
  const kept = certificateIn(file);
  if (kept !== undefined && isGood(kept)) return kept;
  const { chain, key } = make();
  const text = `${key}${chain}`;
  if (read(file) === undefined) place(file, text);
  else replace(file, text, 0o600);
  const placed = certificateIn(file);
  if (placed === undefined) throw new Error(`${file} can't be read; delete it to get a new one`);
  return placed;
}

function certificateIn(file: string): Certificate | undefined {
  const text = read(file) ?? "";
  const at = text.indexOf("-----BEGIN CERTIFICATE-----");
  try {
    const kept = { key: text.slice(0, at), chain: text.slice(at) };
    return new X509Certificate(kept.chain).checkPrivateKey(createPrivateKey(kept.key))
      ? kept
      : undefined;
  } catch {
    // Not there, or not what we wrote.
    return undefined;
  }
}

function daysLeft({ chain }: Certificate, nowMs: number): number {
  return (Date.parse(new X509Certificate(chain).validTo) - nowMs) / DAY_MS;
}

function isSignedBy({ chain }: Certificate, authority: Certificate): boolean {
  return new X509Certificate(chain).verify(new X509Certificate(authority.chain).publicKey);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** A link, unlike a rename, never replaces what another process has put there. */
function place(file: string, text: string): void {
  const draft = draftOf(file, text, 0o600);
  try {
    linkSync(draft, file);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function replace(file: string, text: string, mode: number): void {
  renameSync(draftOf(file, text, mode), file);
}

function draftOf(file: string, text: string, mode: number): string {
  const draft = `${file}.${process.pid}.${randomUUID()}`;
  writeFileSync(draft, text, { mode });
  return draft;
}
