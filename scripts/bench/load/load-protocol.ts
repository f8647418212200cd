import type { LoadPlace } from "./load-client.ts";
import type { LoadWindow } from "./tally.ts";

/** What makes the traffic of a scenario, and sees what becomes of it. */
export interface Load {
  /** What each process saw since the last time. */
  windows(): Promise<LoadWindow[]>;
  /** Nothing more is published. */
  quiet(): Promise<unknown>;
}

/** Which clients a load process holds: those from `first` on; client i is in conversation i mod n. */
export interface LoadPlan {
  readonly place: LoadPlace;
  readonly first: number;
  readonly count: number;
  /** 0: nobody subscribes or publishes. */
  readonly conversations: number;
  /** The numbers of the conversations, where they are not the first ones. */
  readonly rooms?: readonly number[];
  readonly subscribes: boolean;
  /** Checks the continuity of every message. */
  readonly checksPrev: boolean;
  /** Publishes have a key each: the edge appends it once. */
  readonly hasKeys: boolean;
  /** Each message is acknowledged as it comes. */
  readonly acknowledges: boolean;
  /** Remembers the keys of acknowledged publishes. */
  readonly keepsKeys: boolean;
  readonly issuerFolder: string;
  readonly seed: number;
}

export type LoadCommand =
  | { readonly name: "open"; readonly plan: LoadPlan }
  /** Publishes as an open loop until `quiet`, or until that many are sent, each client in turn. */
  | { readonly name: "publish"; readonly perS: number; readonly count?: number }
  | { readonly name: "quiet" }
  | { readonly name: "window" }
  | { readonly name: "cut" }
  /** Everybody begins to connect again at a random moment within that time. */
  | { readonly name: "reopen"; readonly withinMs: number }
  | { readonly name: "keys" };

export interface Opened {
  readonly open: number;
  /** Lines that were lost or put off while they were opened, and opened again. */
  readonly retried: number;
  readonly problems: number;
  readonly firstProblem: string | undefined;
  readonly lastHandshakeUs: number;
  readonly lastLiveUs: number;
}
