/** The name of one of a user's devices, chosen by the client: docs/protocol.md §1. */
export type DeviceName = string & { readonly __brand: "DeviceName" };

const GRAMMAR = /^[A-Za-z0-9._-]{1,64}$/;

export function parseDeviceName(text: string): DeviceName | undefined {
  return GRAMMAR.test(text) ? (text as DeviceName) : undefined;
}
