import type { PlanView } from "../api/views.ts";
import { type ReplicaMove, spreadReplicas } from "../reassignment/replica-plan.ts";
import { refuse } from "../refusal.ts";
import { fieldsOf } from "./call-words.ts";
import type { CallContext, OperatorCall, PreparedCall } from "./operator-call.ts";

interface Wish {
  readonly brokers: readonly number[];
  /** Without it, all of the product's. */
  readonly topics?: readonly string[];
  readonly throttleBytesPerSec?: number;
}

const PATH = "/v1/reassignments";
const BROKERS_MAX = 1_000;
const TOPICS_MAX = 100;
const THROTTLE_MIN = 1_024;
const MOVES_SHOWN = 40;

export const REASSIGNMENT_CALLS: readonly OperatorCall[] = [
  {
    method: "POST",
    path: PATH,
    action: "reassign",
    prepare: (call) => {
      const fields = fieldsOf(call, ["brokers", "topics", "throttleBytesPerSec"]);
      return reassign(wishOf(fields));
    },
  },
  {
    method: "DELETE",
    path: PATH,
    action: "reassign.cancel",
    prepare: (call) => {
      fieldsOf(call, []);
      return CANCEL;
    },
  },
];

const CANCEL: PreparedCall = {
  parameters: {},
  plan: async ({ services }) => {
    const { partitions, throttleBytesPerSec } = await services.throttles.view();
    const throttle = throttleBytesPerSec === null ? "No throttle stands." : "The throttle goes.";
    return {
      action: "call off the reassignment",
      effects: [
        `${partitions.length} partitions on their way go back to the brokers they came from; what was copied is thrown away.`,
        throttle,
      ],
      moves: [],
      reconnects: 0,
      isDangerous: false,
    };
  },
  run: async ({ services }) => {
    const count = await services.throttles.cancel();
    return { done: `${count} partitions were called back; no throttle stands.` };
  },
};

function reassign(wish: Wish): PreparedCall {
  return {
    parameters: { ...wish },
    plan: async (context) => planOf(wish, await movesFor(context, wish)),
    run: async (context) => {
      const { throttles } = context.services;
      const moves = await movesFor(context, wish);
      if ((await throttles.view()).isRunning) {
        refuse(409, "replicas are moving already: wait, or `millrace reassign --cancel` first");
      }
      if (moves.length === 0) return { done: "All replicas are where they should be." };
      await throttles.begin(moves, wish.throttleBytesPerSec);
      const pace = wish.throttleBytesPerSec === undefined ? "" : ", throttled until they are there";
      return { done: `${moves.length} partitions are on their way${pace}.` };
    },
  };
}

/** Throws a RefusalError where a broker or a topic is not there, or brokers are too few. */
async function movesFor({ services }: CallContext, wish: Wish): Promise<ReplicaMove[]> {
  const { admin, topicChecks } = services;
  const { brokers, topics } = await admin.describe(wish.topics ?? topicChecks.topics);
  const known = new Set(brokers.map(({ id }) => id));
  const unknown = wish.brokers.filter((broker) => !known.has(broker));
  if (unknown.length > 0) {
    refuse(404, `no broker ${unknown.join(", ")} in the cluster; there: ${[...known].join(", ")}`);
  }
  const missing = wish.topics?.filter((topic) => !topics.has(topic)) ?? [];
  if (missing.length > 0) refuse(404, `there is no topic ${missing.join(", ")}`);
  return [...topics].flatMap(([topic, partitions]) => {
    const most = Math.max(...partitions.map(({ replicas }) => replicas.length));
    if (most > wish.brokers.length) {
      refuse(409, `${topic} has ${most} replicas of each partition: name as many brokers or more`);
    }
    return spreadReplicas(topic, partitions, wish.brokers);
  });
}

function planOf(wish: Wish, moves: readonly ReplicaMove[]): PlanView {
  const copied = moves.flatMap(({ from, to }) => to.filter((broker) => !from.includes(broker)));
  const { throttleBytesPerSec: rate } = wish;
  const pace =
    rate === undefined
      ? "Nothing slows the copies down: they take what the brokers' net has, also from producers."
      : `Each broker copies ${rate} bytes a second at most; slower than messages come in it never ends. The throttle is removed at the end.`;
  const shown = moves.slice(0, MOVES_SHOWN).map(({ topic, partition, from, to }) => {
    return `${topic} ${partition}: brokers ${from.join(", ")} → ${to.join(", ")}.`;
  });
  const more = moves.length > shown.length ? [`And ${moves.length - shown.length} more.`] : [];
  return {
    action: `spread replicas over brokers ${wish.brokers.join(", ")}`,
    effects:
      moves.length === 0
        ? ["All replicas are where they should be: nothing moves."]
        : [
            `${moves.length} partitions change brokers or preferred leader; ${copied.length} replicas are copied, each the whole of its partition. How many bytes that is, is not known here.`,
            pace,
            ...shown,
            ...more,
          ],
    moves: [],
    reconnects: 0,
    isDangerous: moves.length > 0,
  };
}

function wishOf(fields: Readonly<Record<string, unknown>>): Wish {
  const { brokers, topics, throttleBytesPerSec: rate } = fields;
  if (!isListOf(brokers, isBroker, BROKERS_MAX) || new Set(brokers).size !== brokers.length) {
    return refuse(400, "`brokers` must be a list of brokers' numbers, each once, such as [1,2,3]");
  }
  if (topics !== undefined && !isListOf(topics, isTopic, TOPICS_MAX)) {
    return refuse(400, "`topics` must be a list of topics' names");
  }
  if (rate !== undefined && !isRate(rate)) {
    return refuse(400, `\`throttleBytesPerSec\` must be a whole number from ${THROTTLE_MIN} on`);
  }
  return {
    brokers,
    ...(topics !== undefined && { topics: [...new Set(topics)] }),
    ...(rate !== undefined && { throttleBytesPerSec: rate }),
  };
}

function isListOf<Item>(
  value: unknown,
  isItem: (item: unknown) => item is Item,
  countMax: number,
): value is Item[] {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= countMax;
  return isList && value.every((item) => isItem(item));
}

function isBroker(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTopic(value: unknown): value is string {
  return typeof value === "string" && /^[\w.-]{1,249}$/.test(value);
}

function isRate(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= THROTTLE_MIN;
}
