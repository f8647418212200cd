import type { Command } from "commander";
import type { ReassignmentView } from "../api/views.ts";
import { collected, parseBrokers, parseThrottle } from "./arguments.ts";
import { examples } from "./examples.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { Invocation } from "./invocation.ts";
import { ORDER_CALLS } from "./order-calls.ts";
import type { Give } from "./order-commands.ts";
import { untilReassigned } from "./progress.ts";
import type { Surroundings } from "./surroundings.ts";
import { reassignmentText } from "./topics-text.ts";

/** Terabytes at a few megabytes a second take days; it ends when it is done, or at Ctrl-C. */
const WATCHED_MS = 30 * 86_400_000;

const REASSIGNED = untilReassigned({ timeoutMs: WATCHED_MS });

interface ReassignWords {
  readonly brokers?: number[];
  readonly topic?: string[];
  readonly throttle?: number;
  readonly watch?: boolean;
  readonly cancel?: boolean;
}

/** The brokers' side: replicas from broker to broker. */
export function addReassign(parent: Command, surroundings: Surroundings, give: Give): void {
  parent
    .command("reassign")
    .description("spread the replicas over these brokers; alone: what is on its way")
    .option("--brokers <ids>", "where they shall be, such as 1,2,3", parseBrokers)
    .option("--topic <topic>", "of these only; repeatable (default all of Millrace's)", collected)
    .option("--throttle <rate>", "bytes a second at most, such as 10MB", parseThrottle)
    .option("--watch", "wait until all are there; the throttle is removed then")
    .option("--cancel", "call it off, and remove the throttle")
    .addHelpText(
      "after",
      examples(
        parent,
        "reassign --brokers 1,2,3 --throttle 10MB --watch",
        "reassign",
        "reassign --cancel",
      ),
    )
    .action((words: ReassignWords, command: Command) => {
      refuseContradiction(words);
      if (words.cancel === true) return give(command, ORDER_CALLS.cancelReassignment(words.topic));
      const invocation = new Invocation(surroundings, command);
      if (words.brokers === undefined) return look(invocation, words.watch === true);
      const call = ORDER_CALLS.reassign(bodyOf(words.brokers, words));
      return give(command, call, words.watch === true ? () => REASSIGNED : undefined);
    });
}

function bodyOf(brokers: readonly number[], { topic, throttle }: ReassignWords) {
  return {
    brokers,
    ...(topic !== undefined && { topics: topic }),
    ...(throttle !== undefined && { throttleBytesPerSec: throttle }),
  };
}

function refuseContradiction({ brokers, topic, throttle, cancel }: ReassignWords): void {
  const isOrder = brokers !== undefined;
  if (isOrder && cancel === true) refuse("--brokers and --cancel contradict each other.");
  if (!isOrder && throttle !== undefined) refuse("--throttle needs --brokers.");
  if (!isOrder && cancel !== true && topic !== undefined) {
    refuse("--topic needs --brokers or --cancel.");
  }
}

function refuse(what: string): never {
  throw new CliFailure(what, {
    advice: "See millrace reassign --help.",
    exitCode: EXIT.wrongUse,
  });
}

async function look(invocation: Invocation, isWatched: boolean): Promise<void> {
  const view = await invocation.control().read<ReassignmentView>("/v1/reassignments");
  if (isWatched && view.isRunning) return REASSIGNED(invocation);
  invocation.answer(view, () => reassignmentText(view, invocation.layout));
}
