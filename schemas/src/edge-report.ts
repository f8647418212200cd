/**
 * What an edge says of itself and of its clients on its operators' port. Fields are only added: who
 * asks must step over those that it does not know, and edges of an earlier build lack the newest.
 */
export interface EdgeReport {
  readonly id: string;
  readonly pid: number;
  readonly version: string;
  /** `drained`: nobody is served here until it is taken back. */
  readonly state: "starting" | "serving" | "draining" | "drained";
  /** What `/readyz` says. */
  readonly isReady: boolean;
  readonly delivery: "direct" | "relay";
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** Its share of the partitions, beside the others'. */
  readonly weight: number;
  readonly connections: number;
  /** So many it takes at most. */
  readonly connectionsMax: number;
  readonly subscriptions: number;
  /** Subscribers that fell behind, and those that are fed from the log. */
  readonly lagging: number;
  readonly catchUps: number;
  readonly bufferedBytes: number;
  /** 0 to 1. */
  readonly memoryShare: number;
  readonly isRedisUp: boolean;
  /** Since any partition of the log, and the topic of rulings, were last heard of. */
  readonly logSilenceMs: number;
  readonly rulingsSilenceMs: number;
  /** Over the last ten seconds. */
  readonly rates: RateReport;
  /** Of the last ten seconds; null where there was none. */
  readonly publishLatency: LatencyReport | null;
  readonly deliveryLatency: LatencyReport | null;
  readonly topic: {
    readonly name: string;
    /** Null until the log was reached. */
    readonly epoch: string | null;
    readonly partitions: number;
  };
  readonly partitions: readonly PartitionReport[];
}

export interface RateReport {
  readonly publishesPerSec: number;
  readonly deliveriesPerSec: number;
  /** Requests to connect, whatever became of them. */
  readonly handshakesPerSec: number;
}

export interface LatencyReport {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** How one partition stands on the edge. Offsets are text: they may be larger than 2^53. */
export interface PartitionReport {
  readonly partition: number;
  readonly isOwned: boolean;
  readonly isPaused: boolean;
  /** Whether its records come from the log, or from whoever owns it. */
  readonly mode: "direct" | "relay";
  /** The next record that is handed on, and the log's end, as last heard; null until known. */
  readonly position: string | null;
  readonly end: string | null;
  readonly lag: number | null;
  /** Since when it has not been at the log's end. */
  readonly lagMs: number;
  /** Since it last moved though the log goes on, and since the log last answered. */
  readonly stalledMs: number;
  readonly silenceMs: number;
  /** Records that were handed on here, over the last ten seconds. */
  readonly recordsPerSec: number;
  /** Sockets that have subscribed one of its conversations, each counted once a conversation. */
  readonly subscribers: number;
  /**
   * Those with the most records in the last five to ten seconds, also where nobody has subscribed
   * them; a bounded number is counted, so a rate may be too low. Where records are relayed, only the
   * owner sees all of them.
   */
  readonly hottest: readonly HotConversation[];
}

export interface HotConversation {
  readonly conversation: string;
  readonly recordsPerSec: number;
  readonly subscribers: number;
}

/** One connection of a user, for whoever asks why it hears nothing. */
export interface ConnectionReport {
  readonly connection: string;
  readonly session: string;
  readonly user: string;
  readonly device: string | null;
  readonly isResumed: boolean;
  /** Milliseconds since 1970, and until its token ends. */
  readonly openedAtMs: number;
  readonly tokenExpiresInMs: number;
  /** Since a byte came from it, or one was taken that had waited for it. */
  readonly quietMs: number;
  /** Bytes that the socket has taken and the kernel has not, and what waits in the edge. */
  readonly bufferedBytes: number;
  readonly waitingBytes: number;
  /** At most 100 are listed, those that are not live first. */
  readonly subscriptionsTotal: number;
  readonly subscriptions: readonly SubscriptionReport[];
  /** Only where a conversation was named, and only from edges that know the question. */
  readonly rights?: RightsReport;
}

/** What a connection may do in the conversation that was asked about: its token, less the rulings. */
export interface RightsReport {
  readonly conversation: string;
  readonly mayRead: boolean;
  readonly mayWrite: boolean;
}

export interface SubscriptionReport {
  readonly conversation: string;
  readonly partition: number | null;
  /** `finding`: where it starts is being looked up. */
  readonly state: "finding" | "catching-up" | "live" | "lagging";
  /** The last position that it was told; null for none. */
  readonly told: string | null;
}

/** One conversation on the edge. */
export interface ConversationReport {
  readonly conversation: string;
  readonly partition: PartitionReport | null;
  /** Where its hub stands; null where nobody here has subscribed it. */
  readonly lastPosition: string | null;
  readonly live: number;
  readonly catchingUp: number;
  readonly lagging: number;
}

/** What operators have ordered about partitions and edges; it holds until it is lifted. */
export interface OrderReport {
  readonly pins: readonly (OrderOrigin & { readonly partition: number; readonly edge: string })[];
  readonly weights: readonly (OrderOrigin & { readonly edge: string; readonly weight: number })[];
  readonly pauses: readonly (OrderOrigin & { readonly partition: number })[];
}

export interface OrderOrigin {
  readonly operator: string;
  /** Milliseconds since 1970. */
  readonly ruledAtMs: number;
}
