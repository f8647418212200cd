import type { Clock, Logger } from "@millrace/runtime";
import type { Renewal } from "../admission/admission.ts";
import type { CatchUp } from "../catchup/catch-up.ts";
import type { StartPoints } from "../catchup/start-point.ts";
import type { Hubs } from "../hub/hubs.ts";
import type { EdgeLimits } from "../limits.ts";
import type { EdgeMetrics } from "../metrics.ts";
import type { Publisher } from "../publish/publisher.ts";
import type { PublishRates } from "../rates/publish-rates.ts";
import type { Rights } from "../rights/rights.ts";
import type { Acknowledgements } from "../session/acknowledgements.ts";
import type { Sessions } from "../session/sessions.ts";
import type { Tails } from "../tail/tails.ts";
import type { Connection } from "./connection.ts";
import type { Flusher } from "./flusher.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { TokenLives } from "./token-life.ts";

/** What all connections of an edge share. */
export interface ConnectionContext {
  readonly edgeId: string;
  readonly pingMs: number;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly logger: Logger;
  readonly metrics: EdgeMetrics;
  readonly flusher: Flusher;
  readonly hubs: Hubs;
  readonly tails: Tails;
  readonly catchUp: CatchUp;
  readonly startPoints: StartPoints;
  readonly publisher: Publisher;
  readonly acknowledgements: Acknowledgements;
  readonly sessions: Sessions;
  readonly rights: Rights;
  readonly heartbeats: Heartbeats;
  readonly tokenLives: TokenLives;
  readonly publishRates: PublishRates;
  /** Judges a token as the handshake does. */
  readonly renew: (token: string) => Promise<Renewal>;
  readonly onClosed: (connection: Connection, code: number) => void;
}
