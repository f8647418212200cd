import type { ConversationId, UserId } from "./conversation.ts";
import type { MessageKey } from "./message-key.ts";
import type { Position } from "./position.ts";

/** An integer, 0 to 2^53 − 1, unique among the connection's requests in flight. */
export type RequestId = number;

/** Where a subscription starts: docs/protocol.md §4. */
export type From =
  | { readonly kind: "live" }
  | { readonly kind: "after"; readonly position: Position; readonly text: string }
  | { readonly kind: "acked" }
  | { readonly kind: "earliest" }
  | { readonly kind: "last"; readonly count: number }
  | { readonly kind: "time"; readonly timeMs: number };

export interface PubFrame {
  readonly t: "pub";
  readonly id?: RequestId;
  /** Already resolved: a `to` became the private conversation with that user. */
  readonly conversation: ConversationId;
  readonly to?: UserId;
  readonly key?: MessageKey;
  readonly behind?: RequestId;
  readonly body: string;
  readonly type: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly ref?: string;
  readonly op?: "edit" | "delete";
}

export interface SubFrame {
  readonly t: "sub";
  readonly id: RequestId;
  readonly conversation: ConversationId;
  readonly from: From;
}

export interface UnsubFrame {
  readonly t: "unsub";
  readonly id?: RequestId;
  readonly conversation: ConversationId;
}

export interface AckFrame {
  readonly t: "ack";
  readonly id?: RequestId;
  readonly conversation: ConversationId;
  readonly position: Position;
}

export interface SkipFrame {
  readonly t: "skip";
  readonly id: RequestId;
  readonly conversation: ConversationId;
}

export interface AuthFrame {
  readonly t: "auth";
  readonly id: RequestId;
  readonly token: string;
}

export interface PingFrame {
  readonly t: "ping";
  readonly id?: RequestId;
}

/** Everything a client may send. */
export type UpFrame =
  | PubFrame
  | SubFrame
  | UnsubFrame
  | AckFrame
  | SkipFrame
  | AuthFrame
  | PingFrame;
