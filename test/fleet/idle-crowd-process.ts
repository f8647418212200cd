import { answerParent } from "../../scripts/bench/load/load-worker.ts";
import { percentile } from "../../services/edge/src/testing/percentile.ts";
import { Balancer } from "./balancer.ts";
import { Crowd, mostWithin } from "./crowd.ts";

export type IdleCommand =
  | {
      readonly kind: "gather";
      readonly edges: readonly string[];
      readonly count: number;
      readonly tokens: readonly string[];
    }
  | { readonly kind: "add" | "remove"; readonly edge: string }
  | { readonly kind: "report" };

export interface IdleReport {
  readonly told: number;
  /** In the second that had the most. */
  readonly toldPerSecond: number;
  readonly returns: number;
  readonly returnsPerSecond: number;
  readonly refusals: number;
  readonly live: number;
  /** From the beginning on, of each client. */
  readonly reconnects: { readonly median: number; readonly p99: number };
}

const SECOND_MS = 1_000;

const balancer = new Balancer();
let crowd: Crowd | undefined;
let seen = { goaways: 0, returns: 0, refusals: 0 };

async function act(command: IdleCommand): Promise<void> {
  switch (command.kind) {
    case "gather": {
      const { edges, count, tokens } = command;
      for (const edge of edges) balancer.add(edge);
      // Some connections of each user: docs/operations.md says how many there may be.
      const tokenFor = async (user: string): Promise<string> =>
        tokens[Number(user.split("-")[1]) % tokens.length] ?? "";
      crowd = await Crowd.gather({ edges: balancer, count, name: "idle", tokenFor });
      return;
    }
    case "add":
      return balancer.add(command.edge);
    case "remove":
      return balancer.remove(command.edge);
    case "report":
      return;
  }
}

function report(): IdleReport {
  const {
    goaways = [],
    returnsMs = [],
    refusals = [],
    roamers = [],
    reconnects = [],
  } = crowd ?? {};
  const told = goaways.slice(seen.goaways);
  const returned = returnsMs.slice(seen.returns);
  const refused = refusals.length - seen.refusals;
  seen = { goaways: goaways.length, returns: returnsMs.length, refusals: refusals.length };
  return {
    told: told.length,
    toldPerSecond: mostWithin(
      told.map(({ afterMs }) => afterMs),
      SECOND_MS,
    ),
    returns: returned.length,
    returnsPerSecond: mostWithin(returned, SECOND_MS),
    refusals: refused,
    live: roamers.filter(({ isLive }) => isLive).length,
    reconnects: { median: percentile(reconnects, 0.5), p99: percentile(reconnects, 0.99) },
  };
}

answerParent(async (command: IdleCommand): Promise<IdleReport> => {
  await act(command);
  return report();
});
