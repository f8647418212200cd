import type { Command } from "commander";
import type {
  AuditView,
  EdgesView,
  ExplanationView,
  PartitionsView,
  StatusView,
  TopicView,
} from "../api/views.ts";
import { parseLimit, parseName, parseNext } from "./arguments.ts";
import { auditText } from "./audit-text.ts";
import { edgesText } from "./edge-table.ts";
import { examples } from "./examples.ts";
import { explanationText } from "./explanation-text.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { Invocation } from "./invocation.ts";
import { partitionsText } from "./partition-table.ts";
import { statusText } from "./status-text.ts";
import type { Surroundings } from "./surroundings.ts";
import { topicsText } from "./topics-text.ts";
import { type Shown, show } from "./watching.ts";

const AUDIT_LINES = 20;

interface AuditWords {
  readonly limit?: number;
  readonly after?: string;
}

type Look = (invocation: Invocation) => Promise<Shown>;

/** What only looks. */
export function addViews(program: Command, surroundings: Surroundings): void {
  const watched = (name: string, description: string, look: Look): void => {
    program
      .command(name)
      .description(description)
      .option("--watch", "again every second, until Ctrl-C")
      .addHelpText("after", examples(program, name, `${name} --watch`, `${name} --json`))
      .action((options: { readonly watch?: boolean }, command: Command) => {
        const invocation = new Invocation(surroundings, command);
        return show(invocation, options.watch === true, () => look(invocation));
      });
  };
  watched("status", "the whole in one look, and what needs attention", lookAtAll);
  watched("edges", "each edge: state, clients, share, load", lookAtEdges);
  watched(
    "partitions",
    "each partition: owner, rate, lag, sockets, replicas, hottest",
    lookAtPartitions,
  );
  addExplain(program, surroundings);
  addTopics(program, surroundings);
  addAudit(program, surroundings);
}

async function lookAtAll(invocation: Invocation): Promise<Shown> {
  const view = await invocation.control().read<StatusView>("/v1/status");
  return { view, text: () => statusText(view, invocation.layout) };
}

async function lookAtEdges(invocation: Invocation): Promise<Shown> {
  const view = await invocation.control().read<EdgesView>("/v1/edges");
  const nowMs = invocation.surroundings.clock.wallMs();
  return { view, text: () => edgesText(view, nowMs, invocation.layout) };
}

async function lookAtPartitions(invocation: Invocation): Promise<Shown> {
  const view = await invocation.control().read<PartitionsView>("/v1/partitions");
  return { view, text: () => partitionsText(view, invocation.layout) };
}

function addExplain(program: Command, surroundings: Surroundings): void {
  const explain = program
    .command("explain")
    .description("why a client or a conversation is silent")
    .argument("[subject]")
    // Whatever else was typed, what is missing is the word in front of it.
    .allowExcessArguments()
    .usage("client <user> | conversation <id>")
    .addHelpText("after", examples(program, "explain client alice", "explain conversation room:42"))
    .action((_subject: string | undefined, _options, command: Command) => {
      const typed = command.args.at(-1) ?? "ID";
      throw new CliFailure("It has to be said whether it is a client or a conversation.", {
        advice: `Try millrace explain client ${typed}, or millrace explain conversation ${typed}.`,
        exitCode: EXIT.wrongUse,
      });
    });
  explain
    .command("client")
    .description("why a user hears nothing, at all or of one conversation")
    .argument("<user>", "the sub of their token", parseName)
    .option("--conversation <id>", "what they should hear of")
    .addHelpText("after", examples(explain, "client alice", "client alice --conversation room:42"))
    .action((user: string, words: { readonly conversation?: string }, command: Command) => {
      const about = words.conversation;
      const query = about === undefined ? "" : `?conversation=${encodeURIComponent(about)}`;
      const path = `/v1/explain/clients/${encodeURIComponent(user)}${query}`;
      return tellWhy(new Invocation(surroundings, command), path);
    });
  explain
    .command("conversation")
    .description("why nobody hears anything of it")
    .argument("<id>", "the conversation's id", parseName)
    .addHelpText("after", examples(explain, "conversation room:42", "conversation room:42 --json"))
    .action((id: string, _options, command: Command) => {
      const path = `/v1/explain/conversations/${encodeURIComponent(id)}`;
      return tellWhy(new Invocation(surroundings, command), path);
    });
}

async function tellWhy(invocation: Invocation, path: string): Promise<void> {
  const view = await invocation.control().read<ExplanationView>(path);
  invocation.answer(view, () => explanationText(view, invocation.layout));
}

function addTopics(program: Command, surroundings: Surroundings): void {
  const topics = program.command("topics").description("the topics' settings");
  topics
    .command("check")
    .description("compare them with what the promises need; exit code 1 when one is broken")
    .addHelpText("after", examples(topics, "check", "check --json"))
    .action(async (_options, command: Command) => {
      const invocation = new Invocation(surroundings, command);
      const view = await invocation.control().read<{ topics: TopicView[] }>("/v1/topics");
      invocation.answer(view, () => topicsText(view.topics, invocation.layout));
      if (view.topics.every(({ problems }) => problems.length === 0)) return;
      throw new CliFailure("A topic's settings break a promise.", {
        advice: "Change them with kafka-configs, as the lines say.",
      });
    });
}

function addAudit(program: Command, surroundings: Surroundings): void {
  program
    .command("audit")
    .description("who has changed what, the newest last")
    .option("--limit <n>", `so many of the newest (default ${AUDIT_LINES})`, parseLimit)
    .option("--after <next>", "older ones: from where an answer's next says", parseNext)
    .addHelpText("after", examples(program, "audit", "audit --limit 100 --json"))
    .action(async ({ limit = AUDIT_LINES, after }: AuditWords, command: Command) => {
      const invocation = new Invocation(surroundings, command);
      const older = after === undefined ? "" : `&after=${encodeURIComponent(after)}`;
      const path = `/v1/audit?limit=${limit}${older}`;
      const view = await invocation.control().read<{ audit: AuditView[] }>(path);
      invocation.answer(view, () => auditText(byTime(view.audit), invocation.layout));
    });
}

function byTime(entries: readonly AuditView[]): AuditView[] {
  return entries.toSorted((a, b) => a.atMs - b.atMs);
}
