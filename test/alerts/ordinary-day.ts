import type { Situation } from "./rule-case.ts";

/** Of 30 s each: two hours, in which from the first on the three edges are restarted in turn. */
const SAMPLES = 240;
const ROLL_AT = 120;
const ROLL_EVERY = 4;

/** So long a new process takes until it is scraped again. */
const AWAY = 3;

const EDGES = ["a", "b", "c"] as const;
const PARTITIONS = [0, 1, 2, 3, 4, 5] as const;
const CLIENTS = 900;

type Value = number | undefined;

interface Moment {
  readonly edge: number;
  readonly sample: number;
  /** Samples since the process began. */
  readonly age: number;
  readonly isBack: boolean;
}

/** What a page says at that moment; nothing while the process is away. */
type Page = (moment: Moment) => Value;

/**
 * Three edges that relay six partitions, with chat, some that are turned away, and a rolling restart to
 * a new version: every client connects anew, most of them twice, and partitions move from edge to edge.
 */
export function ordinaryDay(): Situation {
  const series = { ...processes(), ...clients(), ...log(), ...control() };
  return { series, at: `${SAMPLES / 2}m`, step: "60s" };
}

function processes(): Record<string, string> {
  return {
    ...ofEdges(`up{%,job="edge"}`, () => 1, 0),
    ...ofEdges(`process_open_fds{%,job="edge"}`, () => 400),
    ...ofEdges(`process_max_fds{%,job="edge"}`, () => 20_000),
    ...ofEdges(`millrace_build_info{%,version="1.0.0",node="v24"}`, (now) =>
      now.isBack ? undefined : 1,
    ),
    ...ofEdges(`millrace_build_info{%,version="1.1.0",node="v24"}`, (now) =>
      now.isBack ? 1 : undefined,
    ),
    ...ofEdges(`millrace_memory_share{%}`, ({ sample }) => 0.4 + 0.1 * Math.sin(sample / 20)),
    ...ofEdges(`millrace_loop_delay_seconds{%,quantile="0.99"}`, ({ age }) =>
      age < 4 ? 0.15 : 0.004,
    ),
    ...ofEdges(`millrace_redis_up{%}`, ({ sample }) => (sample % 90 === 1 ? 0 : 1)),
    ...ofEdges(`millrace_redis_refusals_total{%}`, () => 3),
  };
}

function clients(): Record<string, string> {
  return {
    ...ofEdges(`millrace_connections{%}`, () => CLIENTS / EDGES.length),
    ...ofEdges(`millrace_handshakes_total{%,status="101"}`, (now) => {
      const moved = [0, 1, 2].filter((other) => now.sample > ROLL_AT + other * ROLL_EVERY);
      return arrivals(now) + (moved.length * CLIENTS) / 6;
    }),
    // Who is still sent to an edge that drains.
    ...ofEdges(`millrace_handshakes_total{%,status="503"}`, ({ isBack, sample }) =>
      !isBack && sample > ROLL_AT - 2 ? 2 : 0,
    ),
    ...ofEdges(`millrace_handshakes_total{%,status="401"}`, ({ age }) => age),
    ...ofEdges(`millrace_limited_total{%,limit="publishes"}`, ({ age }) => age),
    ...ofEdges(`millrace_limited_total{%,limit="handshakes"}`, () => 2),
    ...ofEdges(`millrace_publish_outcomes_total{%,outcome="appended"}`, ({ age }) => 500 * age),
    ...ofEdges(`millrace_publish_outcomes_total{%,outcome="unknown"}`, ({ age }) =>
      Math.floor(age / 100),
    ),
    ...ofEdges(`millrace_records_refused_total{%,why="max.message.bytes"}`, () => 0),
    ...ofEdges(`millrace_delivery_seconds_count{%}`, ({ age }) => 10_000 * age),
    ...ofEdges(`millrace_delivery_seconds_bucket{%,le="0.1"}`, ({ age }) => 9_997 * age),
    ...ofEdges(`millrace_gaps_total{%,reason="expired"}`, ({ age }) => Math.floor(age / 20)),
  };
}

/** All at once at the beginning of the day; later some now and then. */
function arrivals({ age, isBack }: Moment): number {
  return (isBack ? 0 : CLIENTS / EDGES.length) + 3 * age;
}

function log(): Record<string, string> {
  const relays = PARTITIONS.map((partition) => [
    ofEdges(`millrace_tail_lag_seconds{%,partition="${partition}"}`, ({ age }) =>
      age === 1 ? 20 : 0.2,
    ),
    ofEdges(
      `millrace_tail_silence_seconds{%,partition="${partition}"}`,
      ({ sample }) => sample % 6,
    ),
    ofEdges(`millrace_tail_stalled_seconds{%,partition="${partition}"}`, () => 0),
    ofEdges(`millrace_partition_owned{%,partition="${partition}"}`, (now) =>
      owns(now, partition) ? 1 : undefined,
    ),
  ]);
  return Object.assign(
    {
      ...ofEdges(`millrace_delivery_mode{%,mode="direct"}`, (now) => {
        const bridged = now.age < 4 ? 2 : 0;
        return PARTITIONS.filter((partition) => owns(now, partition)).length + bridged;
      }),
      ...ofEdges(`millrace_delivery_mode{%,mode="relay"}`, () => 3),
      ...ofEdges(`millrace_partitions_unused{%}`, () => 0),
      ...ofEdges(`millrace_rulings_silence_seconds{%}`, ({ sample }) => sample % 6),
    },
    ...relays.flat(),
  ) as Record<string, string>;
}

function control(): Record<string, string> {
  const where = 'namespace="m"';
  const still = (value: number): string => `${value}x${SAMPLES}`;
  return {
    [`up{${where},instance="control",job="control"}`]: `1x150 0x4 1x${SAMPLES}`,
    [`millrace_control_certificate_expires_seconds{${where},address="wss://chat"}`]: still(5e6),
    [`millrace_control_topic_problems{${where},topic="chat.messages"}`]: still(0),
  };
}

/** An edge's two, and those of the one that is away, which its neighbour takes for a while. */
function owns({ edge, sample }: Moment, partition: number): boolean {
  const home = partition % EDGES.length;
  if (!isAway(home, sample) && !isAway(home, sample - 1)) return edge === home;
  return edge === (home + 1) % EDGES.length;
}

function isAway(edge: number, sample: number): boolean {
  const endsAt = ROLL_AT + edge * ROLL_EVERY;
  return sample >= endsAt && sample < endsAt + AWAY;
}

/** One series of each edge; `%` is where its labels are. */
function ofEdges(pattern: string, page: Page, whileAway?: number): Record<string, string> {
  return Object.fromEntries(
    EDGES.map((name, edge) => {
      const values = Array.from({ length: SAMPLES }, (_, sample) => {
        if (isAway(edge, sample)) return whileAway;
        const endsAt = ROLL_AT + edge * ROLL_EVERY;
        const isBack = sample >= endsAt;
        const age = isBack ? sample - endsAt - AWAY : sample;
        return page({ edge, sample, age, isBack });
      });
      const text = values
        .map((value) => (value === undefined ? "stale" : value.toFixed(3)))
        .join(" ");
      return [pattern.replace("%", `namespace="m",instance="${name}"`), text];
    }),
  );
}
