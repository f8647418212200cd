import type { Figures } from "../scenario/figures.ts";
import type { ScenarioResult } from "../scenario/measured.ts";

/** What the edge is meant to reach, and what one run says about it. */
export interface AimOutcome {
  readonly aim: string;
  readonly measured: string;
  readonly isMet: boolean;
}

/** Of the edge as it comes; undefined where the run did not measure it. */
class Measured {
  readonly #results: readonly ScenarioResult[];

  constructor(results: readonly ScenarioResult[]) {
    this.#results = results;
  }

  figure(scenario: string, name: NumberOfFigures): number | undefined {
    return this.#find(scenario)?.figures?.[name];
  }

  more(scenario: string, name: string): number | undefined {
    return this.#find(scenario)?.more[name];
  }

  #find(scenario: string): ScenarioResult | undefined {
    return this.#results.find((result) => result.scenario === scenario);
  }
}

type NumberOfFigures = {
  [Name in keyof Figures]-?: Figures[Name] extends number ? Name : never;
}[keyof Figures];

interface Aim {
  readonly aim: string;
  readonly value: (measured: Measured) => number | undefined;
  readonly unit: string;
  readonly most?: number;
  readonly least?: number;
}

export const RESUME_TIME = "ms from the last handshake until the last is live";

const AIMS: readonly Aim[] = [
  {
    aim: "chat: p50 at most 1 ms above the raw round trip's",
    unit: "ms above",
    most: 1,
    value: (m) => difference(m.figure("chat", "p50Ms"), m.more("floor-log", "round trip p50 ms")),
  },
  {
    aim: "chat: at most 20 µs CPU of the edge per delivery",
    unit: "µs",
    most: 20,
    value: (m) => m.figure("chat", "cpuUsPerDelivery"),
  },
  {
    aim: "chat-raised: at least 250,000 deliveries/s per edge core",
    unit: "/s",
    least: 250_000,
    value: (m) => m.figure("chat-raised", "deliveriesPerEdgeCore"),
  },
  {
    aim: "broadcast: p50 at most 12 ms",
    unit: "ms",
    most: 12,
    value: (m) => m.figure("broadcast", "p50Ms"),
  },
  {
    aim: "broadcast: p99 at most 30 ms",
    unit: "ms",
    most: 30,
    value: (m) => m.figure("broadcast", "p99Ms"),
  },
  {
    aim: "broadcast-raised: at least 1,500,000 deliveries/s per edge core",
    unit: "/s",
    least: 1_500_000,
    value: (m) => m.figure("broadcast-raised", "deliveriesPerEdgeCore"),
  },
  {
    aim: "publish-raised: at least 80 % of the raw writer's records/s",
    unit: "%",
    least: 80,
    value: (m) =>
      percentOf(
        m.figure("publish-raised", "acknowledgedPerS"),
        m.more("floor-log", "records/s saturated"),
      ),
  },
  {
    aim: "idle: at most 6,000 resident bytes per connection",
    unit: "bytes",
    most: 6_000,
    value: (m) => m.more("idle", "resident bytes per connection"),
  },
  {
    aim: "idle: at most 2 % CPU",
    unit: "%",
    most: 2,
    value: (m) => m.more("idle", "CPU % at rest"),
  },
  {
    aim: "resume: all live at most 1,500 ms after the last handshake, 25 missed",
    unit: "ms",
    most: 1_500,
    value: (m) => m.more("resume", RESUME_TIME),
  },
  {
    aim: "resume-deep: the same, at most 2,000 ms, 400 missed",
    unit: "ms",
    most: 2_000,
    value: (m) => m.more("resume-deep", RESUME_TIME),
  },
  {
    aim: "resume, resume-deep: nothing lost",
    unit: "lost",
    most: 0,
    value: (m) => sumOf(m.more("resume", "lost"), m.more("resume-deep", "lost")),
  },
  {
    aim: "kill: no acknowledged publish lost",
    unit: "lost",
    most: 0,
    value: (m) => m.more("kill", "acknowledged and lost"),
  },
];

/** What can be judged from these results. */
export function aimOutcomes(results: readonly ScenarioResult[]): AimOutcome[] {
  const measured = new Measured(results);
  return AIMS.flatMap(({ aim, unit, value, most, least }) => {
    const reached = value(measured);
    if (reached === undefined || Number.isNaN(reached)) return [];
    const isMet = reached <= (most ?? Infinity) && reached >= (least ?? -Infinity);
    const text = Number(reached.toPrecision(3)).toLocaleString("en");
    return [{ aim, measured: `${text} ${unit}`, isMet }];
  });
}

function difference(value: number | undefined, from: number | undefined): number | undefined {
  return value === undefined || from === undefined ? undefined : value - from;
}

function percentOf(value: number | undefined, whole: number | undefined): number | undefined {
  return value === undefined || whole === undefined ? undefined : (value / whole) * 100;
}

function sumOf(first: number | undefined, second: number | undefined): number | undefined {
  return first === undefined || second === undefined ? undefined : first + second;
}
