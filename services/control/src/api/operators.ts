import type { Clock } from "@millrace/runtime";
import { type IssuerKeys, claimsOf, hasScope } from "@millrace/runtime/tokens";
import { refuse } from "../refusal.ts";

/** Who calls, as their token has proved. */
export interface Operator {
  readonly name: string;
  /** Passed on to the edges, which check it again: control has no power of its own. */
  readonly token: string;
  /** The token's `exp`, milliseconds since 1970. */
  readonly expiresAtMs: number;
}

export interface OperatorsOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  readonly clock: Clock;
}

const SCOPE = "millrace:admin";

/** Of the header of a request. Throws a RefusalError where there is no operator behind it. */
export async function operatorOf(
  authorization: string | undefined,
  options: OperatorsOptions,
): Promise<Operator> {
  if (authorization === undefined) {
    return refuse(401, `a bearer token with the scope ${SCOPE} is needed`);
  }
  const token = /^bearer +([^\s]+)$/i.exec(authorization)?.[1];
  if (token === undefined) return refuse(401, "Authorization is no bearer token");
  const outcome = await claimsOf(token, options);
  if (outcome.kind === "refused") return refuse(outcome.status, `${outcome.why}: get another one`);
  const { claims } = outcome;
  if (!hasScope(claims, SCOPE)) {
    return refuse(403, `the token's scope is not ${SCOPE}: ask the issuer for one that has it`);
  }
  return { name: String(claims.sub), token, expiresAtMs: Number(claims.exp) * 1_000 };
}
