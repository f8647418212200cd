import { connect } from "@millrace/client/node";
import { systemClock } from "@millrace/runtime";
import { runCli } from "./run-cli.ts";
import type { Surroundings } from "./surroundings.ts";

export { CliFailure } from "./failure.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** The command line of this very process; resolves with its exit code. */
export async function runThisProcess(
  from: Pick<Surroundings, "environment" | "findProduct">,
): Promise<number> {
  const { stdin, stdout, stderr } = process;
  const code = await runCli({
    ...from,
    args: process.argv.slice(2),
    stdin,
    stdout,
    stderr,
    clock: systemClock,
    connect,
    interrupted,
  });
  // An input that nobody reads any more would keep the process.
  stdin.unref?.();
  return code;
}

let interruption: Promise<void> | undefined;

/** Until somebody listens here, a signal ends the process as usual. */
function interrupted(): Promise<void> {
  interruption ??= new Promise((resolve) => {
    for (const signal of SIGNALS) process.once(signal, () => resolve());
  });
  return interruption;
}
