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
    invocation.tell(printable(`${saidOf(state.why)}; again in ${inS} s`));
  } else if (state.kind === "stopped" && state.why.code !== "closed") {
    onStopped(lineFailure("The edges don't want this client", state.why));
  }
}

/** With the innermost cause, which is the network's own word. */
function saidOf({ message, cause }: MillraceError): string {
  let innermost = cause;
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause;
  if (!(innermost instanceof Error)) return message;
  // What tried several addresses of a name has a code, and no message.
  const { code } = innermost as NodeJS.ErrnoException;
  return `${message} (${innermost.message || code || innermost.name})`;
}

export function lineFailure(what: string, { code, message }: MillraceError): CliFailure {
  return new CliFailure(printable(`${what}: ${message} (${code}).`), {
    advice: "The token's claim millrace has to grant reading and writing there.",
  });
}
