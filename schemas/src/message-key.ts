/** The client's own message id: docs/protocol.md §3. */
export type MessageKey = string & { readonly __brand: "MessageKey" };

const GRAMMAR = /^[\x20-\x7e]{1,64}$/;

export function parseMessageKey(text: unknown): MessageKey | undefined {
  return typeof text === "string" && GRAMMAR.test(text) ? (text as MessageKey) : undefined;
}
