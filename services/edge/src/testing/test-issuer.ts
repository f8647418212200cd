import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type JWK, type JWTPayload, SignJWT, exportJWK, generateKeyPair } from "jose";

export const ISSUER = "https://issuer.test";
export const AUDIENCE = "millrace";

/** No test takes that long, however busy the machine: a token ends only where a test wants it to. */
const TOKEN_LIFE_S = 3_600;

interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

/** An issuer of real tokens, with its public keys on a real URL that can fail, hang and rotate. */
export class TestIssuer {
  readonly #server: Server;
  readonly #delayMs: () => number;
  #keys: SigningKey[] = [];
  /** How often the keys were asked for. */
  requests = 0;
  isDown = false;

  private constructor(delayMs: () => number) {
    this.#delayMs = delayMs;
    this.#server = createServer((_, response) => {
      this.requests++;
      const { isDown } = this;
      const body = JSON.stringify({ keys: this.#keys.map(({ jwk }) => jwk) });
      setTimeout(() => {
        response.writeHead(isDown ? 500 : 200, { "content-type": "application/json" });
        response.end(body);
      }, this.#delayMs());
    });
  }

  static async start(delayMs: () => number = () => 0): Promise<TestIssuer> {
    const issuer = new TestIssuer(delayMs);
    await issuer.rotate();
    await new Promise<void>((resolve) => issuer.#server.listen(0, "127.0.0.1", resolve));
    return issuer;
  }

  get jwks(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/jwks.json`;
  }

  /** The public key as the JWKS has it. */
  get publicKey(): JWK {
    return this.#key.jwk;
  }

  get kid(): string {
    return this.#key.kid;
  }

  /** From now on tokens are signed with another key, and the old one is gone. */
  async rotate(): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const kid = `key-${this.#keys.length}-${Math.random()}`;
    this.#keys = [
      { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" } },
    ];
  }

  /** A token that is in order but for what is said otherwise; undefined takes a claim away. */
  token(
    claims: Readonly<Record<string, unknown>> = {},
    header: { kid?: string; typ?: string } = {},
  ): Promise<string> {
    const nowS = Math.floor(Date.now() / 1_000);
    const whole: JWTPayload = {
      iss: ISSUER,
      aud: AUDIENCE,
      sub: "alice",
      iat: nowS,
      exp: nowS + TOKEN_LIFE_S,
      millrace: { read: ["*"], write: ["*"] },
      ...claims,
    };
    return new SignJWT(whole)
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: this.kid, ...header })
      .sign(this.#key.privateKey);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get #key(): SigningKey {
    const [key] = this.#keys;
    if (key === undefined) throw new Error("the issuer has no key yet");
    return key;
  }
}
