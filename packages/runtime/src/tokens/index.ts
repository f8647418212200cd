export * from "./issuer-keys.ts";
export * from "./token-claims.ts";
