import { createInterface } from "node:readline/promises";
import type { Writable } from "node:stream";
import type { PlanView } from "../api/views.ts";
import { CliFailure, EXIT } from "./failure.ts";
import type { Invocation } from "./invocation.ts";
import { planText } from "./plan-text.ts";

/**
 * Says first what a dangerous call will do, and goes on only when somebody agrees: at the terminal,
 * or by `--yes`.
 */
export async function confirm(invocation: Invocation, plan: PlanView): Promise<void> {
  if (!plan.isDangerous) return;
  const { isConfirmed, isJson } = invocation;
  if (!isJson || !isConfirmed) invocation.tell(planText(plan, invocation.asideLayout));
  if (isConfirmed) return;
  if (!invocation.isInteractive) {
    throw new CliFailure("This has to be confirmed, and there is no terminal to ask.", {
      advice: "Look at the plan above, and add --yes.",
      exitCode: EXIT.needsConfirmation,
    });
  }
  if (!(await isAgreed(invocation))) {
    throw new CliFailure("Nothing was done.", { exitCode: EXIT.failed });
  }
}

/** Nothing typed is a no, and so is the end of the input. */
async function isAgreed({ surroundings }: Invocation): Promise<boolean> {
  const { stdin, stderr } = surroundings;
  const lines = createInterface({
    input: stdin,
    output: stderr as unknown as Writable,
    // Else Ctrl-C would only be a character, and the process would wait for nothing.
    terminal: false,
  });
  const ended = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
  const answer = await Promise.race([lines.question("Go on? [y/N] "), ended]);
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}
