import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from "@millrace/schemas";
import { refuse, refuseToken } from "./refusal.ts";

/** By lower-case name; a header that came twice has two values. */
export type Headers = ReadonlyMap<string, readonly string[]>;

export type Credential =
  | { readonly kind: "token"; readonly text: string }
  | { readonly kind: "ticket"; readonly text: string };

/**
 * The header, or else the second sub-protocol, or else the ticket; checks that our sub-protocol is
 * offered at all.
 */
export function connectCredential(
  { headers, isUpgrade }: { readonly headers: Headers; readonly isUpgrade: boolean },
  query: URLSearchParams,
): Credential {
  const offered = (headers.get("sec-websocket-protocol") ?? [])
    .flatMap((value) => value.split(","))
    .map((value) => value.trim());
  if (isUpgrade && !offered.includes(SUBPROTOCOL)) {
    refuse(400, `the sub-protocol ${SUBPROTOCOL} must be offered`);
  }
  const token = bearerOf(headers) ?? bearerAmong(offered);
  if (token !== undefined) return { kind: "token", text: token };
  const ticket = query.get("ticket");
  return ticket === null ? refuseToken("a token is needed") : { kind: "ticket", text: ticket };
}

/** The token of the header; undefined where there is none. */
export function bearerOf(headers: Headers): string | undefined {
  const authorization = headers.get("authorization");
  if (authorization === undefined) return undefined;
  const [value = ""] = authorization;
  const token = /^bearer +([^\s]+)$/i.exec(value)?.[1];
  if (token === undefined || authorization.length > 1) {
    refuseToken("Authorization is no single bearer token", "invalid_token");
  }
  return token;
}

function bearerAmong(offered: readonly string[]): string | undefined {
  const bearer = offered.find((protocol) => protocol.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  return bearer?.slice(BEARER_SUBPROTOCOL_PREFIX.length);
}
