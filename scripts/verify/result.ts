import { OFFENCE_KINDS, type Verdict } from "@millrace/testkit/judge";

const CONVERSATIONS_SHOWN = 20;

/** What `--json` prints; it grows only by additions. */
export function resultOf(verdict: Verdict, receivers: number) {
  const { offences, byConversation, ...figures } = verdict;
  return {
    ...figures,
    receivers,
    offences: offences.map(({ where, c, text }) => `${where} ${c}: ${text}`),
    first: offences,
    byConversation,
  };
}

/** The same for people: what was compared, what is wrong in which conversation, and where first. */
export function tableOf(verdict: Verdict, receivers: number): string {
  const { counts, repeats, byConversation } = verdict;
  const madeBy = Object.entries(repeats).filter(([, count]) => count > 0);
  const origins = madeBy.map(([origin, count]) => `${origin} ${count}`).join(", ");
  const figures = {
    isProved: verdict.isProved,
    messages: verdict.messages,
    conversations: verdict.conversations,
    acknowledged: verdict.acknowledged,
    receivers,
    told: verdict.told,
    repeatedKeys: `${verdict.repeatedKeys}${origins === "" ? "" : ` (${origins})`}`,
    ...counts,
    ...(verdict.unjudged > 0 && { unjudged: verdict.unjudged }),
  };
  const lines = Object.entries(figures).map(([name, value]) => `${name.padEnd(16)}${value}`);
  if (byConversation.length > 0) lines.push("", ...conversationLines(verdict));
  return lines.join("\n");
}

function conversationLines({ byConversation }: Verdict): string[] {
  const shown = byConversation.slice(0, CONVERSATIONS_SHOWN);
  const width = Math.max(...shown.map(({ c }) => c.length), "conversation".length) + 2;
  const line = (name: string, cells: readonly (string | number)[]): string =>
    name.padEnd(width) + cells.map((cell) => String(cell).padStart(11)).join("");
  const lines = [line("conversation", [...OFFENCE_KINDS, "first"])];
  for (const { c, counts, first } of shown) {
    lines.push(
      line(
        c,
        OFFENCE_KINDS.map((kind) => counts[kind]),
      ) + `  ${first.pos}`,
    );
  }
  const more = byConversation.length - shown.length;
  if (more > 0) lines.push(`and ${more} more conversations`);
  return lines;
}
