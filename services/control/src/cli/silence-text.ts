import type { SilenceView } from "../api/views.ts";
import { plural } from "./amounts.ts";
import { printable } from "./paint.ts";
import type { Layout } from "./table.ts";

/** The edges that are in no table, because nothing was heard of them. */
export function silenceLines(
  // What an earlier control does not tell is nothing to say.
  { unreachable = [], unasked = 0 }: Partial<SilenceView>,
  { paint }: Pick<Layout, "paint">,
): string[] {
  const silent = unreachable.map(({ address, why }) => `${address} does not answer: ${why}`);
  const more = `${plural(unasked, "address", "addresses")} more not asked; npx millrace status says why`;
  return [...silent, ...(unasked > 0 ? [more] : [])].map((line) => paint("bad", printable(line)));
}
