import type {
  ConnectionReport,
  ConversationReport,
  HotConversation,
  LatencyReport,
} from "@millrace/schemas";

/** What `GET /v1/status` answers: the whole, in one look. */
export interface StatusView extends SilenceView {
  /** Milliseconds since 1970. */
  readonly takenAtMs: number;
  readonly topic: string;
  readonly delivery: "direct" | "relay" | "mixed";
  readonly edges: readonly EdgeView[];
  readonly kafka: KafkaView;
  /** The group that decides who owns what, as its coordinator tells. */
  readonly group: { readonly state: string; readonly members: number };
  readonly totals: {
    readonly connections: number;
    readonly subscriptions: number;
    readonly publishesPerSec: number;
    readonly deliveriesPerSec: number;
    readonly partitions: number;
  };
  /** What somebody should look at, the gravest first, each with what to do. */
  readonly problems: readonly ProblemView[];
}

/** What `GET /v1/edges` answers. */
export interface EdgesView extends SilenceView {
  readonly edges: readonly EdgeView[];
}

/** What `GET /v1/partitions` answers: of edges that are silent nothing is counted in it. */
export interface PartitionsView extends SilenceView {
  readonly partitions: readonly PartitionView[];
}

export interface SilenceView {
  /** Edges that did not answer. */
  readonly unreachable: readonly { readonly address: string; readonly why: string }[];
  /** So many addresses more than are asked, of which nothing is known. */
  readonly unasked: number;
}

export interface ProblemView {
  readonly severity: "critical" | "warning";
  readonly what: string;
  readonly advice: string;
}

export interface KafkaView {
  readonly isUp: boolean;
  readonly brokers: number;
  /** Partitions of the messages' topic with fewer replicas in sync than they have. */
  readonly underReplicated: number;
}

export interface EdgeView {
  readonly id: string;
  readonly pid: number;
  /** Where its operators' port is. */
  readonly address: string;
  readonly state: "starting" | "serving" | "draining" | "drained";
  readonly isReady: boolean;
  readonly version: string;
  readonly delivery: "direct" | "relay";
  readonly startedAtMs: number;
  readonly weight: number;
  readonly connections: number;
  readonly connectionsMax: number;
  readonly subscriptions: number;
  /** Partitions that it owns. */
  readonly owned: readonly number[];
  readonly lagging: number;
  readonly bufferedBytes: number;
  readonly memoryShare: number;
  readonly isRedisUp: boolean;
  readonly publishesPerSec: number;
  readonly deliveriesPerSec: number;
  readonly publishLatency: LatencyReport | null;
  readonly deliveryLatency: LatencyReport | null;
}

export interface PartitionView {
  readonly partition: number;
  /** Null: nobody, at the moment. */
  readonly owner: string | null;
  /** The edge that operators have tied it to. */
  readonly pin: string | null;
  readonly isPaused: boolean;
  /** The largest of all edges, in records and in milliseconds; null: nobody knows. */
  readonly lag: number | null;
  readonly lagMs: number | null;
  /** The log's end, as text. */
  readonly end: string | null;
  /** Records that are delivered: of a paused one none, whatever is written. */
  readonly recordsPerSec: number;
  /** Sockets served, on all edges. */
  readonly subscribers: number;
  /** Edges on which it stands still. */
  readonly stalledOn: readonly string[];
  readonly hottest: readonly HotConversation[];
  /** On the brokers' side; null: not known. */
  readonly leader: number | null;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

/** What a call would do, before it is done: the answer to each call with `?dryRun=true`. */
export interface PlanView {
  readonly action: string;
  /** Sentences for people. */
  readonly effects: readonly string[];
  readonly moves: readonly {
    readonly partition: number;
    readonly from: string | null;
    readonly to: string | null;
  }[];
  /** Whether that is all that moves; false: more may move, of which nothing is known now. */
  readonly isForetold: boolean;
  /** Clients that have to connect again. */
  readonly reconnects: number;
  /** It must be confirmed. */
  readonly isDangerous: boolean;
}

/** What a call has done. */
export interface DoneView {
  /** Its number in the audit. */
  readonly auditId: string;
  /** A sentence for people. */
  readonly done: string;
  /** All that has changed hands with it, or is about to. */
  readonly moves?: PlanView["moves"];
}

/** Why somebody hears nothing. */
export interface ExplanationView {
  readonly subject: { readonly client: string } | { readonly conversation: string };
  /** One sentence: the first thing that is wrong, or that nothing is. */
  readonly verdict: string;
  readonly findings: readonly FindingView[];
  readonly connections?: readonly (ConnectionReport & { readonly edge: string })[];
  readonly onEdges?: readonly (ConversationReport & { readonly edge: string })[];
}

export interface FindingView {
  readonly isOk: boolean;
  /** `ban`, `connection`, `token`, `rights`, `partition`, `owner`, `watermark`, `lag`, `buffer`, … */
  readonly about: string;
  readonly text: string;
}

export interface TopicView {
  readonly topic: string;
  readonly purpose: string;
  readonly problems: readonly {
    readonly setting: string;
    readonly value: string;
    readonly wanted: string;
    readonly promise: string;
  }[];
}

/** Replicas on their way from broker to broker. */
export interface ReassignmentView {
  readonly isRunning: boolean;
  readonly throttleBytesPerSec: number | null;
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly replicas: readonly number[];
    readonly adding: readonly number[];
    readonly removing: readonly number[];
  }[];
}

export interface AuditView {
  readonly id: string;
  readonly atMs: number;
  readonly operator: string;
  readonly address: string;
  readonly action: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Null: it was begun, and nobody has said how it ended. */
  readonly status: number | null;
  readonly outcome: string | null;
}
