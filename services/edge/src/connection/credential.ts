import type { Clock, Logger } from "@millrace/runtime";
import type { ErrFrame } from "@millrace/schemas";
import type { Renewal } from "../admission/admission.ts";
import type { Identity } from "../admission/identity.ts";
import { type TokenHolder, TokenLife, type TokenLives } from "./token-life.ts";

/** What the credentials of all connections share. */
export interface CredentialContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tokenLives: TokenLives;
  readonly renew: (token: string) => Promise<Renewal>;
}

export type RenewalOutcome =
  | { readonly kind: "renewed"; readonly tokenExpiresInMs: number }
  | { readonly kind: "refused"; readonly refusal: Pick<ErrFrame, "code" | "message" | "retryMs"> };

const RETRY_MS = 1_000;

/**
 * Who is connected, for how long and with which rights; a newer token of the same user takes the
 * place of the older one. While a token is being verified the one before it is in force, and nothing
 * waits: each frame is judged by the rights of the moment in which it is handled.
 */
export class Credential {
  readonly #context: CredentialContext;
  readonly #life: TokenLife;
  #identity: Identity;
  #isVerifying = false;
  #isEnded = false;

  /** The identity is as the handshake has proved it. */
  constructor(context: CredentialContext, identity: Identity, holder: TokenHolder) {
    this.#context = context;
    this.#identity = identity;
    this.#life = new TokenLife(context.tokenLives, holder);
    this.#life.begin(identity.expiresAtMs);
  }

  get identity(): Identity {
    return this.#identity;
  }

  get expiresInMs(): number {
    return Math.max(0, this.#identity.expiresAtMs - this.#context.clock.wallMs());
  }

  /** One at a time, so that an older token can't be judged last. Never rejects. */
  async renew(token: string): Promise<RenewalOutcome> {
    if (this.#isVerifying) {
      const message = "another token is being verified";
      return refused({ code: "rate-limited", message, retryMs: RETRY_MS });
    }
    this.#isVerifying = true;
    try {
      return this.#judge(await this.#context.renew(token));
    } catch (cause) {
      this.#context.logger.error({ err: cause }, "a token could not be verified");
      return refused({ code: "unavailable", message: "not verified", retryMs: RETRY_MS });
    } finally {
      this.#isVerifying = false;
    }
  }

  end(): void {
    this.#isEnded = true;
    this.#life.end();
  }

  #judge(renewal: Renewal): RenewalOutcome {
    if (renewal.kind === "refused") return badToken(renewal.message);
    const { identity } = renewal;
    const { user, device } = this.#identity;
    if (identity.user !== user) return badToken("the token is another user's");
    this.#identity = device === undefined ? identity : { ...identity, device };
    if (!this.#isEnded) this.#life.begin(identity.expiresAtMs);
    return { kind: "renewed", tokenExpiresInMs: this.expiresInMs };
  }
}

function badToken(message: string): RenewalOutcome {
  return refused({ code: "bad-token", message });
}

function refused(refusal: Pick<ErrFrame, "code" | "message" | "retryMs">): RenewalOutcome {
  return { kind: "refused", refusal };
}
