import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT, exportJWK, generateKeyPair } from "jose";

export const ISSUER = "https://issuer.test";
export const AUDIENCE = "millrace";

const KID = "key-1";
const LIFE_S = 3_600;

/** An issuer of real tokens, with its public keys in a file. */
export class TestIssuer {
  readonly jwks: string;
  readonly #folder: string;
  readonly #privateKey: CryptoKey;

  private constructor(folder: string, privateKey: CryptoKey) {
    this.#folder = folder;
    this.jwks = join(folder, "jwks.json");
    this.#privateKey = privateKey;
  }

  static async create(): Promise<TestIssuer> {
    const folder = mkdtempSync(join(tmpdir(), "millrace-control-"));
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    const issuer = new TestIssuer(folder, privateKey);
    const jwk = { ...(await exportJWK(publicKey)), kid: KID, alg: "ES256", use: "sig" };
    writeFileSync(issuer.jwks, JSON.stringify({ keys: [jwk] }));
    return issuer;
  }

  /** An operator's, but for what is said otherwise. */
  token(claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const nowS = Math.floor(Date.now() / 1_000);
    const times = { iat: nowS, exp: nowS + LIFE_S };
    const whole = { iss: ISSUER, aud: AUDIENCE, sub: "olga", scope: "millrace:admin", ...times };
    return new SignJWT({ ...whole, ...claims })
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: KID })
      .sign(this.#privateKey);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
