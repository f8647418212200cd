import { delay } from "@millrace/runtime";
import type { EdgeView, ReassignmentView } from "../api/views.ts";
import { bytes, plural } from "./amounts.ts";
import type { ControlCalls } from "./control-calls.ts";
import { CliFailure } from "./failure.ts";
import type { Invocation } from "./invocation.ts";
import type { Follow, Foresee } from "./order.ts";
import { printable } from "./paint.ts";

export interface Waiting {
  /** As long as it is waited for. */
  readonly timeoutMs: number;
}

/** Undefined: it has come true. */
type Look = (control: ControlCalls) => Promise<string | undefined>;

const LOOK_EVERY_MS = 500;

/** Control shows one look for a second: so many answers without an edge are two looks at least. */
const MISSES = 4;
const CLEAR_LINE = "\r\u001B[2K";

/** Until nobody is connected to the edge any more, and it owns nothing. */
export function untilDrained(edge: string, waiting: Waiting): Follow {
  return followed(`${edge} is drained`, waiting, async (control) => {
    const view = await edgeOf(control, edge);
    if (view === undefined) return `${edge} does not answer`;
    if (view.state === "drained") return undefined;
    return leftOn(view);
  });
}

/** Until its process is gone; one that was started again in its place is another. */
export function untilEnded(edge: string, waiting: Waiting): Foresee {
  return async (before) => {
    const ending = await edgeOf(before, edge);
    let misses = 0;
    return followed(`${edge} has ended`, waiting, async (control) => {
      const view = await edgeOf(control, edge);
      misses = view === undefined ? misses + 1 : 0;
      // A busy edge may miss one look, and has not ended for it.
      if (view === undefined) return misses < MISSES ? `${edge} does not answer` : undefined;
      return view.startedAtMs === ending?.startedAtMs ? leftOn(view) : undefined;
    });
  };
}

export function untilReassigned(waiting: Waiting): Follow {
  return followed("all replicas are where they should be", waiting, async (control) => {
    const view = await control.read<ReassignmentView>("/v1/reassignments");
    if (!view.isRunning) return undefined;
    const throttle = view.throttleBytesPerSec;
    const pace = throttle === null ? "" : `, at most ${bytes(throttle)}/s`;
    return `${plural(view.partitions.length, "partition")} on the way${pace}`;
  });
}

async function edgeOf(control: ControlCalls, id: string): Promise<EdgeView | undefined> {
  const { edges } = await control.read<{ edges: EdgeView[] }>("/v1/edges");
  return edges.find((edge) => edge.id === id);
}

function leftOn({ id, connections, owned }: EdgeView): string {
  return `${id}: ${plural(connections, "connection")} and ${plural(owned.length, "partition")} left`;
}

/** Says how far it is whenever that has changed, and gives up in time: the order itself stays. */
function followed(what: string, { timeoutMs }: Waiting, look: Look): Follow {
  return async (invocation) => {
    const { clock, interrupted } = invocation.surroundings;
    const control = invocation.control();
    const end = new AbortController();
    void interrupted().then(() => end.abort());
    const sinceMs = clock.nowMs();
    const progress = progressOn(invocation);
    for (;;) {
      const state = await look(control);
      if (state === undefined) return progress.done(`${what}.`);
      if (end.signal.aborted) {
        progress.done("");
        throw new CliFailure(`It goes on by itself: ${state}.`, { advice: LOOK_LATER });
      }
      if (clock.nowMs() - sinceMs > timeoutMs) {
        progress.done("");
        const waited = `${Math.round(timeoutMs / 1_000)} s`;
        throw new CliFailure(`After ${waited} it is not true yet that ${what}: ${state}.`, {
          advice: LOOK_LATER,
        });
      }
      progress.show(state);
      await delay(clock, LOOK_EVERY_MS, end.signal);
    }
  };
}

const LOOK_LATER = "See how far it is with millrace status.";

interface Progress {
  show(state: string): void;
  done(text: string): void;
}

/** One line that changes on a terminal, a line for each change elsewhere, nothing beside JSON. */
function progressOn({ isJson, surroundings }: Invocation): Progress {
  const { stderr } = surroundings;
  const isTerminal = stderr.isTTY === true;
  let shown = "";
  return {
    show: (state) => {
      const text = printable(state);
      if (isJson || text === shown) return;
      shown = text;
      stderr.write(isTerminal ? `${CLEAR_LINE}… ${text}` : `… ${text}\n`);
    },
    done: (text) => {
      if (isJson) return;
      if (isTerminal && shown !== "") stderr.write(CLEAR_LINE);
      const line = printable(text);
      if (line !== "") stderr.write(`${line}\n`);
    },
  };
}
