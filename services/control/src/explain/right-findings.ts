import { type RightsReport, parseConversation } from "@millrace/schemas";
import type { FindingView } from "../api/views.ts";
import type { ClientFacts } from "./client-facts.ts";
import { right, wrong } from "./finding.ts";

const REFUSED = "a subscription of it is refused with `forbidden`";
const PRIVATE = "its id says whose it is, and no token opens it";

export function* banFindings({ user, rulings }: ClientFacts): Generator<FindingView> {
  if (rulings === null) {
    yield wrong("ban", "No edge tells of rulings: whether a ban or a removal holds is not known.");
    return;
  }
  const ban = rulings.find(({ kind }) => kind === "ban");
  if (ban === undefined) return yield right("ban", `${user} is not banned.`);
  const until = ban.untilMs === undefined ? "" : ` until ${new Date(ban.untilMs).toISOString()}`;
  yield wrong("ban", `${user} is banned by ${ban.operator ?? "an operator"}${until}.`);
}

export function* rightFindings({
  user,
  rulings,
  conversation,
  connections,
}: ClientFacts): Generator<FindingView> {
  for (const ruling of rulings ?? []) {
    const where = ruling.conversation ?? "";
    if (conversation !== undefined && where !== conversation) continue;
    if (ruling.kind === "removal") {
      const by = ruling.operator ?? "an operator";
      yield wrong(
        "rights",
        `${user} was removed from ${where} by ${by}: nothing of it is delivered.`,
      );
    }
    if (ruling.kind === "beginning") {
      yield right("rights", `${user} may read ${where} only from a beginning that was set.`);
    }
  }
  // What a ruling takes is no matter of the token's.
  const isTaken = rulings?.some(
    ({ kind, conversation: where }) =>
      kind === "ban" || (kind === "removal" && where === conversation),
  );
  if (isTaken === true) return;
  for (const { connection, rights } of connections) {
    if (rights !== undefined) yield grantFinding(connection, rights);
  }
}

/** Not to write is no reason to hear nothing. */
function grantFinding(connection: string, rights: RightsReport): FindingView {
  const { conversation, mayRead, mayWrite } = rights;
  const kind = parseConversation(conversation)?.kind.kind;
  const isGranted = kind === undefined || kind === "free";
  const who = isGranted ? `The token of connection ${connection}` : `Connection ${connection}`;
  if (mayRead) {
    const writing = mayWrite ? "and write to it" : "and not write to it";
    return right("rights", `${who} may read ${conversation}, ${writing}.`);
  }
  const reading = mayWrite ? "may write to, and not read," : "may not read";
  return wrong("rights", `${who} ${reading} ${conversation}: ${isGranted ? REFUSED : PRIVATE}.`);
}
