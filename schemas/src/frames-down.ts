import type { ErrorCode } from "./error-table.ts";
import type { RequestId } from "./frames-up.ts";
import type { AnnouncedLimits } from "./limits.ts";

/** Why a range can't be delivered: docs/protocol.md §6. */
export type GapReason = "expired" | "recreated" | "truncated" | "skipped" | "forbidden";

export interface WelcomeFrame {
  readonly t: "welcome";
  readonly session: string;
  readonly conn: string;
  readonly user: string;
  readonly device?: string;
  readonly edge: string;
  readonly resumed: boolean;
  readonly features: readonly string[];
  readonly pingMs: number;
  readonly serverTime: number;
  readonly tokenExpiresInMs: number;
  readonly limits: AnnouncedLimits;
}

/** A message as history has it: a `msg` frame without `t` and `prev`. */
export interface MessageFields {
  readonly c: string;
  readonly pos: string;
  /** UUIDv7. */
  readonly id: string;
  readonly from: string;
  readonly to?: string;
  /** The log's append time, milliseconds since 1970. */
  readonly ts: number;
  readonly type: string;
  readonly body: string;
  readonly key?: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly ref?: string;
  readonly op?: string;
}

export interface MsgFrame extends MessageFields {
  readonly t: "msg";
  readonly prev: string;
}

export interface PubdFrame {
  readonly t: "pubd";
  readonly id: RequestId;
  readonly c: string;
  readonly pos: string;
  readonly ts: number;
  readonly dup?: true;
}

export interface SubdFrame {
  readonly t: "subd";
  readonly id?: RequestId;
  readonly c: string;
  readonly pos: string;
  readonly head: string;
  readonly restored?: true;
}

export interface LiveFrame {
  readonly t: "live";
  readonly c: string;
  readonly pos: string;
}

export interface GapFrame {
  readonly t: "gap";
  readonly c: string;
  readonly after: string;
  readonly pos: string;
  readonly reason: GapReason;
  readonly missed: number | null;
}

export interface UnsubdFrame {
  readonly t: "unsubd";
  readonly id?: RequestId;
  readonly c: string;
  readonly code?: ErrorCode;
}

export interface AckdFrame {
  readonly t: "ackd";
  readonly id: RequestId;
  readonly c: string;
  readonly pos: string;
}

export interface SkipdFrame {
  readonly t: "skipd";
  readonly id: RequestId;
  readonly c: string;
}

export interface AuthdFrame {
  readonly t: "authd";
  readonly id: RequestId;
  readonly tokenExpiresInMs: number;
}

export interface ExpiringFrame {
  readonly t: "expiring";
  readonly inMs: number;
}

export interface GoawayFrame {
  readonly t: "goaway";
  readonly afterMs: number;
  readonly reason: string;
}

export interface PongFrame {
  readonly t: "pong";
  readonly id?: RequestId;
  readonly serverTime: number;
}

export interface ErrFrame {
  readonly t: "err";
  readonly id?: RequestId;
  readonly code: ErrorCode;
  readonly message: string;
  readonly c?: string;
  readonly key?: string;
  readonly retryMs?: number;
  readonly unknown?: true;
}

/** Everything a server may send. */
export type DownFrame =
  | WelcomeFrame
  | MsgFrame
  | PubdFrame
  | SubdFrame
  | LiveFrame
  | GapFrame
  | UnsubdFrame
  | AckdFrame
  | SkipdFrame
  | AuthdFrame
  | ExpiringFrame
  | GoawayFrame
  | PongFrame
  | ErrFrame;
