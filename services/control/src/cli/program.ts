import { Command } from "commander";
import { addReassign } from "./broker-commands.ts";
import { addCompletion } from "./completion-command.ts";
import { examples } from "./examples.ts";
import { Invocation } from "./invocation.ts";
import { type Give, addOrders } from "./order-commands.ts";
import { giveOrder, planOrder } from "./order.ts";
import { addPipes } from "./pipe-commands.ts";
import type { Surroundings } from "./surroundings.ts";
import { addViews } from "./view-commands.ts";

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong use, 3 needs --yes where no terminal is.

In a checkout it finds the product that npm start runs there. Elsewhere
MILLRACE_CONTROL and MILLRACE_TOKEN say where control is, and as whom: a token
of the scope millrace:admin.`;

/** All commands of `millrace`. Wrong use and help end it by a CommanderError. */
export function millrace(surroundings: Surroundings): Command {
  const { stdout, stderr, findProduct } = surroundings;
  const program = new Command("millrace")
    .description("What operators do with Millrace.")
    .option("--json", "the API's JSON, for programs")
    .option("--control <url>", "where control is (MILLRACE_CONTROL)")
    .option("--token <token>", "as whom; MILLRACE_TOKEN keeps it off the list of processes")
    .option("--yes", "go on without being asked")
    .option("--no-color", "no colours (so does NO_COLOR)")
    .configureHelp({ showGlobalOptions: true, helpWidth: 80 })
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      // What was wrong is told once, in one form, by whoever takes the error.
      outputError: () => undefined,
    })
    .exitOverride();
  if (findProduct !== undefined) {
    program.option("--data <dir>", "of several products that run: the one with these data");
  }
  program.addHelpText("after", examples(program, "status", "drain edge-2", "explain client alice"));
  program.addHelpText("after", EXIT_CODES);
  const give: Give = (command, call, foresee) =>
    giveOrder(new Invocation(surroundings, command), call, foresee);
  const plan: Give = (command, call) => planOrder(new Invocation(surroundings, command), call);
  addViews(program, surroundings);
  addOrders(program, give);
  const planned = program.command("plan").description("what an order would do; nothing is done");
  planned.addHelpText("after", examples(program, "plan drain edge-2", "plan move 7 edge-2"));
  addOrders(planned, plan);
  addReassign(planned, surroundings, plan);
  addReassign(program, surroundings, give);
  addPipes(program, surroundings);
  addCompletion(program, surroundings);
  return program;
}
