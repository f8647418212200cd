import { X509Certificate } from "node:crypto";
import { expect, it } from "vitest";
import { CertificateAuthority } from "./certificate-authority.ts";

it("Its certificates are for loopback and bear its signature, and nobody else's", () => {
  const authority = new CertificateAuthority("authority");
  const other = new X509Certificate(new CertificateAuthority("authority").certificate);
  const issuer = new X509Certificate(authority.certificate);
  const issued = new X509Certificate(authority.issue("edge").chain);
  expect(issuer.ca).toBe(true);
  expect(issued.subject).toBe("CN=edge");
  expect(issued.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(issued.checkHost("localhost")).toBe("localhost");
  expect(issued.verify(issuer.publicKey)).toBe(true);
  expect(issued.checkIP("::1")).toBe("::1");
  expect(issued.verify(other.publicKey)).toBe(false);
});

it("One that was kept goes on: what it issues then is trusted by who trusted it before", () => {
  const first = new CertificateAuthority("authority", { daysValid: 3_650 });
  const kept = { chain: first.certificate, key: first.key };
  const again = new CertificateAuthority("authority", { kept });
  const issuer = new X509Certificate(first.certificate);
  const issued = new X509Certificate(again.issue("server", 397).chain);
  expect(again.certificate).toBe(first.certificate);
  expect(issued.checkIssued(issuer)).toBe(true);
  expect(issued.verify(issuer.publicKey)).toBe(true);
  expect(Date.parse(issued.validTo) - Date.now()).toBeGreaterThan(396 * 86_400_000);
});
