import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LocalCertificate, ensureLocalCertificate } from "./local-certificate.ts";

const DAY_MS = 86_400_000;

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-authority-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function textsOf({ caFile, serverFile }: LocalCertificate): string[] {
  return [readFileSync(caFile, "utf8"), readFileSync(serverFile, "utf8")];
}

function isTrusted({ caFile, serverFile }: LocalCertificate): boolean {
  const server = new X509Certificate(
    readFileSync(serverFile, "utf8").replace(/^.*?(?=-----BEGIN C)/s, ""),
  );
  return server.verify(new X509Certificate(readFileSync(caFile, "utf8")).publicKey);
}

describe("the local certificate", () => {
  it("is made once, and its keys are for their owner alone", () => {
    const first = ensureLocalCertificate({ folder });
    expect(isTrusted(first)).toBe(true);
    expect(statSync(first.serverFile).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "authority.pem")).mode & 0o777).toBe(0o600);
    expect(readFileSync(first.caFile, "utf8")).not.toContain("PRIVATE");
    const texts = textsOf(first);
    expect(textsOf(ensureLocalCertificate({ folder }))).toEqual(texts);
  });

  it("is renewed before its end by the same authority, and the authority before its own", () => {
    const [ca, server] = textsOf(ensureLocalCertificate({ folder }));
    const inAYear = Date.now() + 380 * DAY_MS;
    const renewed = ensureLocalCertificate({ folder, nowMs: inAYear });
    expect(textsOf(renewed)[0]).toBe(ca);
    expect(textsOf(renewed)[1]).not.toBe(server);
    expect(isTrusted(renewed)).toBe(true);
    const nearItsEnd = Date.now() + 3_500 * DAY_MS;
    const anew = ensureLocalCertificate({ folder, nowMs: nearItsEnd });
    expect(textsOf(anew)[0]).not.toBe(ca);
    expect(isTrusted(anew)).toBe(true);
  });

  it("is made anew where a file is no certificate", () => {
    const made = ensureLocalCertificate({ folder });
    writeFileSync(made.serverFile, "half a fi");
    expect(isTrusted(ensureLocalCertificate({ folder }))).toBe(true);
  });
});
