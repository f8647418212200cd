import type { ConnectionReport } from "@millrace/schemas";
import type { FleetFacts } from "./finding.ts";

/** What operators have ruled about the user, as an edge lists it. */
export interface RulingFact {
  readonly kind: string;
  readonly conversation?: string;
  readonly untilMs?: number;
  readonly operator?: string;
}

export type EdgeConnection = ConnectionReport & { readonly edge: string };

export interface ClientFacts extends FleetFacts {
  readonly user: string;
  /** Only what has to do with that one; without it, with all. */
  readonly conversation?: string;
  readonly connections: readonly EdgeConnection[];
  /** Null: no edge tells of them. */
  readonly rulings: readonly RulingFact[] | null;
}
