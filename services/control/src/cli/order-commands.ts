import type { Command } from "commander";
import { parseName, parsePartition, parseSeconds, parseWeight } from "./arguments.ts";
import type { ControlCall } from "./control-calls.ts";
import { examples } from "./examples.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { ORDER_CALLS } from "./order-calls.ts";
import type { Foresee } from "./order.ts";
import { type Waiting, untilDrained, untilEnded } from "./progress.ts";

/** What becomes of an order: it is given, or only planned. */
export type Give = (command: Command, call: ControlCall, foresee?: Foresee) => Promise<void>;

interface WaitOptions {
  readonly wait?: boolean;
  readonly timeout?: number;
}

const DRAIN_MS = 600_000;

/** What operators may order of edges and partitions, below `millrace` and below `millrace plan`. */
export function addOrders(parent: Command, give: Give): void {
  addMove(parent, give);
  addPins(parent, give);
  addWeight(parent, give);
  addDrains(parent, give);
  addPauses(parent, give);
  parent
    .command("rebalance")
    .description("let the group distribute all partitions anew, by the edges' weights")
    .addHelpText("after", examples(parent, "rebalance", "rebalance --yes --json"))
    .action((_options, command: Command) => give(command, ORDER_CALLS.rebalance()));
}

function addMove(parent: Command, give: Give): void {
  parent
    .command("move")
    .description("hand one partition over to another edge, and wait until it has it")
    .argument("<partition>", "its number", parsePartition)
    .argument("<edge>", "the edge that takes it")
    .addHelpText("after", examples(parent, "move 7 edge-2"))
    // The API answers when the edge has it: there is nothing more to wait for.
    .action((partition: number, edge: string, _options, command: Command) =>
      give(command, ORDER_CALLS.move(partition, edge)),
    );
}

function addPins(parent: Command, give: Give): void {
  parent
    .command("pin")
    .description("tie a partition to an edge, until it is unpinned")
    .argument("<partition>", "its number", parsePartition)
    .argument("<edge>", "the edge that keeps it")
    .addHelpText("after", examples(parent, "pin 7 edge-2"))
    .action((partition: number, edge: string, _options, command: Command) =>
      give(command, ORDER_CALLS.pin(partition, edge)),
    );
  parent
    .command("unpin")
    .description("let any edge own the partition again")
    .argument("<partition>", "its number", parsePartition)
    .addHelpText("after", examples(parent, "unpin 7"))
    .action((partition: number, _options, command: Command) =>
      give(command, ORDER_CALLS.unpin(partition)),
    );
}

function addWeight(parent: Command, give: Give): void {
  parent
    .command("weight")
    .description("give an edge a larger or a smaller share of the partitions")
    .argument("<edge>", "whose share it is", parseName)
    .argument("[weight]", "its share, beside the others'", parseWeight)
    .option("--clear", "back to what the edge was started with")
    .addHelpText("after", examples(parent, "weight edge-2 3", "weight edge-2 --clear"))
    .action(
      (
        edge: string,
        weight: number | undefined,
        { clear = false }: { readonly clear?: boolean },
        command: Command,
      ) => {
        if (clear === (weight !== undefined)) {
          throw new CliFailure("Either a weight or --clear is needed.", {
            advice: `For example: millrace weight ${edge} 3`,
            exitCode: EXIT.wrongUse,
          });
        }
        const call =
          weight === undefined ? ORDER_CALLS.clearWeight(edge) : ORDER_CALLS.weight(edge, weight);
        return give(command, call);
      },
    );
}

function addDrains(parent: Command, give: Give): void {
  const drain = parent
    .command("drain")
    .description("take an edge out: its partitions and its clients go to the others")
    .argument("<edge>", "the edge to take out", parseName)
    .option("--end", "and end its process; what supervises it starts another")
    .addHelpText("after", examples(parent, "drain edge-2", "drain edge-2 --end --yes"));
  withWaiting(drain).action(
    (edge: string, options: WaitOptions & { readonly end?: boolean }, command: Command) => {
      const isEnd = options.end === true;
      const foresee = waited(options, (waiting) =>
        isEnd ? untilEnded(edge, waiting) : () => untilDrained(edge, waiting),
      );
      return give(command, ORDER_CALLS.drain(edge, isEnd ? "end" : "stay"), foresee);
    },
  );
  parent
    .command("undrain")
    .description("take a drained edge back in")
    .argument("<edge>", "the edge to take back", parseName)
    .addHelpText("after", examples(parent, "undrain edge-2"))
    .action((edge: string, _options, command: Command) => give(command, ORDER_CALLS.undrain(edge)));
}

function addPauses(parent: Command, give: Give): void {
  parent
    .command("pause")
    .description("stop the delivery of a partition; publishes to it go on")
    .argument("<partition>", "its number", parsePartition)
    .addHelpText("after", examples(parent, "pause 7", "pause 7 --yes"))
    .action((partition: number, _options, command: Command) =>
      give(command, ORDER_CALLS.pause(partition)),
    );
  parent
    .command("resume")
    .description("go on with the delivery of a paused partition")
    .argument("<partition>", "its number", parsePartition)
    .addHelpText("after", examples(parent, "resume 7"))
    .action((partition: number, _options, command: Command) =>
      give(command, ORDER_CALLS.resume(partition)),
    );
}

/** A plan is never waited for. */
function withWaiting(command: Command): Command {
  if (command.parent?.name() === "plan") return command;
  return command
    .option("--no-wait", "do not wait until it has come true")
    .option("--timeout <seconds>", `how long to wait (default ${DRAIN_MS / 1_000})`, parseSeconds);
}

function waited(
  { wait = true, timeout }: WaitOptions,
  foresee: (waiting: Waiting) => Foresee,
): Foresee | undefined {
  return wait ? foresee({ timeoutMs: timeout ?? DRAIN_MS }) : undefined;
}
