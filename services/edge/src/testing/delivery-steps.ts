import * as fc from "fast-check";

const CONVERSATIONS = ["room:a", "room:b", "room:c", "room:d"];
export const CLIENTS = 3;
export const EDGES = 2;

/** One thing that happens to the edges, their clients or the log. */
export type Step =
  | { readonly kind: "append"; readonly conversation: string; readonly bodies: number[] }
  | { readonly kind: "undecodable" | "hole"; readonly conversation: string }
  | {
      readonly kind: "subscribe";
      readonly client: number;
      readonly conversation: string;
      readonly from: StartWish;
    }
  | {
      readonly kind: "unsubscribe" | "skip";
      readonly client: number;
      readonly conversation: string;
    }
  | { readonly kind: "stall" | "flow"; readonly client: number }
  | {
      readonly kind: "reconnect";
      readonly client: number;
      readonly edge: number;
      readonly how: Resume;
    }
  | {
      readonly kind: "ack";
      readonly client: number;
      readonly conversation: string;
      /** One after the other, counted back from the newest position. */
      readonly backs: readonly number[];
    }
  | { readonly kind: "kill"; readonly edge: number; readonly how: Resume }
  | { readonly kind: "store"; readonly isAway: boolean }
  | { readonly kind: "blocks"; readonly are: "lost" | "away" | "there" }
  | { readonly kind: "drain"; readonly client: number; readonly bytes: number }
  | { readonly kind: "advance"; readonly byMs: number }
  | { readonly kind: "settle" }
  | { readonly kind: "available" | "paused"; readonly conversation: string; readonly is: boolean }
  | { readonly kind: "retain"; readonly conversation: string; readonly share: number }
  | { readonly kind: "behind"; readonly conversation: string; readonly by: number | undefined }
  | { readonly kind: "recreate"; readonly partitions: number };

/** How a client comes back: from what it was told, from its cursors, or by the session's own list. */
export type Resume = "told" | "acked" | "restore";

/** A start, as far as it can be wished for without knowing what was told. */
export type StartWish =
  | { readonly kind: "live" | "earliest" | "acked" }
  | { readonly kind: "last"; readonly count: number }
  | { readonly kind: "told"; readonly index: number }
  | { readonly kind: "ahead"; readonly by: number }
  | { readonly kind: "time"; readonly agoMs: number };

const conversation = fc.constantFrom(...CONVERSATIONS);
const client = fc.nat(CLIENTS - 1);
const edge = fc.nat(EDGES - 1);
const how = fc.constantFrom<Resume>("told", "acked", "restore");

const startWish: fc.Arbitrary<StartWish> = fc.oneof(
  fc.record({ kind: kinds("live", "earliest", "acked", "acked", "acked") }),
  fc.record({ kind: fc.constant("last" as const), count: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant("told" as const), index: fc.nat(1_000) }),
  fc.record({ kind: fc.constant("ahead" as const), by: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant("time" as const), agoMs: fc.integer({ min: -10, max: 1_000 }) }),
);

function kinds<Kind extends string>(...names: readonly Kind[]): fc.Arbitrary<Kind> {
  return fc.constantFrom(...names);
}

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      kind: kinds("append"),
      conversation,
      bodies: fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kinds("undecodable", "hole"), conversation }) },
  {
    weight: 15,
    arbitrary: fc.record({ kind: kinds("subscribe"), client, conversation, from: startWish }),
  },
  { weight: 4, arbitrary: fc.record({ kind: kinds("unsubscribe", "skip"), client, conversation }) },
  { weight: 9, arbitrary: fc.record({ kind: kinds("stall", "flow"), client }) },
  { weight: 3, arbitrary: fc.record({ kind: kinds("reconnect"), client, edge, how }) },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: kinds("ack"),
      client,
      conversation,
      backs: fc.array(fc.nat(6), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kinds("kill"), edge, how }) },
  { weight: 2, arbitrary: fc.record({ kind: kinds("store"), isAway: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kinds("blocks"), are: kinds("lost", "away", "there") }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: kinds("drain"),
      client,
      bytes: fc.integer({ min: 1, max: 2_500 }),
    }),
  },
  {
    weight: 24,
    arbitrary: fc.record({
      kind: kinds("advance"),
      byMs: fc.constantFrom(1, 2, 5, 20, 300, 3_000),
    }),
  },
  { weight: 12, arbitrary: fc.record({ kind: kinds("settle") }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kinds("available", "paused"), conversation, is: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kinds("retain"),
      conversation,
      share: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kinds("behind"),
      conversation,
      by: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: kinds("recreate"), partitions: fc.integer({ min: 1, max: 3 }) }),
  },
);

/** What stays as it is for a whole history. */
export interface Setting {
  readonly partitions: number;
  /** The way to the log, request by request, over and over. */
  readonly latencies: readonly number[];
  /** What each socket buffers before it drops. */
  readonly capacityBytes: number;
}

export const setting: fc.Arbitrary<Setting> = fc.record({
  partitions: fc.integer({ min: 1, max: 3 }),
  latencies: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 7 }),
  capacityBytes: fc.constantFrom(1_200, 2_000, 100_000),
});
