import type { ClientState, MillraceError } from "@millrace/client";
import { CliFailure } from "./failure.ts";
import type { Invocation } from "./invocation.ts";
import { printable } from "./paint.ts";

/** Of the line to the edges: troubles are told, and its final end is the command's. */
export function tellLine(
  invocation: Invocation,
  state: ClientState,
  onStopped: (failure: CliFailure) => void,
): void {
  if (state.kind === "waiting") {
    const inS = (state.retryInMs / 1_000).toFixed(1);
    invocation.tell(printable(`${state.why.message}; again in ${inS} s`));
  } else if (state.kind === "stopped" && state.why.code !== "closed") {
    onStopped(lineFailure("The edges don't want this client", state.why));
  }
}

export function lineFailure(what: string, { code, message }: MillraceError): CliFailure {
  return new CliFailure(printable(`${what}: ${message} (${code}).`), {
    advice: "The token's claim millrace has to grant reading and writing there.",
  });
}
