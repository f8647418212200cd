import type { PlanView } from "../api/views.ts";
import { type ReplicaMove, spreadReplicas } from "../reassignment/replica-plan.ts";
import { isStanding } from "../reassignment/throttle-settings.ts";
import type { MovingReplicas } from "../reassignment/throttles.ts";
import { counted } from "../counted.ts";
import { LIMITS } from "../limits.ts";
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
    prepare: (call) => cancel(topicsIn(fieldsOf(call, ["topics"])["topics"])),
  },
];

function reassign(wish: Wish): PreparedCall {
  return {
    parameters: { ...wish },
    plan: async (context) => {
      const moves = await movesFor(context, wish);
      await assertPossible(context, wish, moves);
      return planOf(wish, moves);
    },
    run: ({ services }) => services.throttles.alone(() => runReassign({ services }, wish)),
  };
}

type Services = Pick<CallContext, "services">;

async function runReassign(context: Services, wish: Wish): Promise<{ readonly done: string }> {
  const moves = await movesFor(context, wish);
  await assertPossible(context, wish, moves, { isAlone: true });
  if (moves.length === 0) return { done: "All replicas are where they should be." };
  await context.services.throttles.begin(moves, wish.throttleBytesPerSec);
  const pace = wish.throttleBytesPerSec === undefined ? "" : ", throttled until they are there";
  const are = moves.length === 1 ? "is on its" : "are on their";
  return { done: `${counted(moves.length, "partition")} ${are} way${pace}.` };
}

/** Throws a RefusalError where replicas move already, or others' throttle stands in the way of ours. */
async function assertPossible(
  { services }: Services,
  wish: Wish,
  moves: readonly ReplicaMove[],
  { isAlone = false }: { readonly isAlone?: boolean } = {},
): Promise<void> {
  if (!isAlone) services.throttles.assertFree();
  const { partitions, foreign } = await services.throttles.moving();
  if (partitions.length > 0) {
    const topics = topicsOf(partitions);
    refuse(
      409,
      `replicas of ${topics.join(", ")} are moving already: wait, or call it off first: ` +
        `\`millrace reassign --cancel${topics.map((topic) => ` --topic ${topic}`).join("")}\``,
    );
  }
  if (wish.throttleBytesPerSec === undefined) return;
  const concerned = new Set(moves.map(({ topic }) => topic));
  const topics = foreign.topics.filter((topic) => concerned.has(topic));
  if (foreign.brokers.length === 0 && topics.length === 0) return;
  const where = [
    ...foreign.brokers.map((broker) => `broker ${broker}`),
    ...topics.map((topic) => `topic ${topic}`),
  ];
  refuse(
    409,
    `another tool throttles replicas (${where.join(", ")}): wait until it has taken that away, or take ` +
      "it away with Kafka's kafka-configs.sh (*.replication.throttled.*), or reassign without --throttle",
  );
}

/** Without topics, the product's own: what others move is not ours to call off. */
function cancel(named: readonly string[] | undefined): PreparedCall {
  const topicsFor = ({ services }: Services): readonly string[] =>
    named ?? services.topicChecks.topics;
  return {
    parameters: { ...(named !== undefined && { topics: named }) },
    plan: async ({ services }) => {
      services.throttles.assertFree();
      return cancelPlan(await services.throttles.moving(), topicsFor({ services }));
    },
    run: async ({ services }) => {
      const { throttles } = services;
      const topics = topicsFor({ services });
      const { count, isThrottled } = await throttles.alone(() => throttles.cancel(topics));
      const throttle = isThrottled
        ? "the throttle stays until the others are there"
        : "no throttle stands";
      const were = count === 1 ? "was" : "were";
      const called =
        count === 0
          ? "Nothing of these topics was on its way"
          : `${counted(count, "partition")} ${were} called back`;
      return { done: `${called}; ${throttle}.` };
    },
  };
}

function cancelPlan({ partitions, ours }: MovingReplicas, topics: readonly string[]): PlanView {
  const those = partitions.filter(({ topic }) => topics.includes(topic));
  const others = topicsOf(partitions.filter((one) => !those.includes(one)));
  const effects = topicsOf(those).map((topic) => {
    const numbers = those.filter((one) => one.topic === topic).map(({ partition }) => partition);
    return `${topic}: called off for ${counted(numbers.length, "partition")} (${numbers.join(", ")}).`;
  });
  const isKept = others.some((topic) => ours.topics.includes(topic));
  const gone = isStanding(ours) ? "The throttle goes." : "No throttle of ours stands.";
  return {
    action: "call off the reassignment",
    effects: [
      those.length === 0
        ? "Nothing of them is on its way: nothing changes."
        : `${counted(those.length, "partition")} on the way ${those.length === 1 ? "goes" : "go"} back to the brokers they came from; what was copied is thrown away.`,
      ...effects,
      ...(others.length > 0
        ? [`Replicas of ${others.join(", ")} move on: name these topics to call them off, too.`]
        : []),
      isKept ? "The throttle stays until the others are there." : gone,
    ],
    moves: [],
    isForetold: true,
    reconnects: 0,
    isDangerous: those.length > 0,
  };
}

function topicsOf(partitions: readonly { readonly topic: string }[]): string[] {
  return [...new Set(partitions.map(({ topic }) => topic))];
}

/** Throws a RefusalError where a broker or a topic is not there, or brokers are too few. */
async function movesFor({ services }: Services, wish: Wish): Promise<ReplicaMove[]> {
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
    action: `spread replicas over ${wish.brokers.length === 1 ? "broker" : "brokers"} ${wish.brokers.join(", ")}`,
    effects:
      moves.length === 0
        ? ["All replicas are where they should be: nothing moves."]
        : [
            `${moves.length === 1 ? "1 partition changes" : `${moves.length} partitions change`} brokers or preferred leader; ${counted(copied.length, "replica")} to copy, each the whole of its partition. How many bytes that is, is not known here.`,
            pace,
            "Racks are not looked at: replicas of one partition may come to stand in the same rack.",
            ...shown,
            ...more,
          ],
    moves: [],
    isForetold: true,
    reconnects: 0,
    isDangerous: moves.length > 0,
  };
}

function wishOf(fields: Readonly<Record<string, unknown>>): Wish {
  const { brokers, throttleBytesPerSec: rate } = fields;
  const topics = topicsIn(fields["topics"]);
  if (!isListOf(brokers, isBroker, BROKERS_MAX) || new Set(brokers).size !== brokers.length) {
    return refuse(400, "`brokers` must be a list of brokers' numbers, each once, such as [1,2,3]");
  }
  if (rate !== undefined && !isRate(rate)) {
    return refuse(
      400,
      `\`throttleBytesPerSec\` must be a whole number from ${LIMITS.throttleBytesPerSecMin} on`,
    );
  }
  return {
    brokers,
    ...(topics !== undefined && { topics }),
    ...(rate !== undefined && { throttleBytesPerSec: rate }),
  };
}

function topicsIn(topics: unknown): readonly string[] | undefined {
  if (topics === undefined) return undefined;
  if (isListOf(topics, isTopic, TOPICS_MAX)) return [...new Set(topics)];
  return refuse(400, "`topics` must be a list of topics' names");
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
  return Number.isSafeInteger(value) && (value as number) >= LIMITS.throttleBytesPerSecMin;
}
