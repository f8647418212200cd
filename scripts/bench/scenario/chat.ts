import { setTimeout as sleep } from "node:timers/promises";
import type { LoadFleet } from "../load/load-fleet.ts";
import type { Served } from "../stage/bench-stage.ts";
import type { Figures } from "./figures.ts";
import {
  type Bench,
  type Scenario,
  type ScenarioResult,
  type Variant,
  type Windows,
  isDisturbed,
  measure,
  notesOf,
  opened,
  settled,
  windowsOf,
} from "./measured.ts";

/** Who talks to whom, and how often. */
export interface Shape {
  readonly clients: number;
  readonly conversations: number;
  readonly perS: number;
  /** Nobody listens: what publishing alone costs. */
  readonly isSilent?: boolean;
  /** Whether publishes have a key (true where nothing is said), and whether messages are acknowledged. */
  readonly hasKeys?: boolean;
  readonly acknowledges?: boolean;
}

export const CHAT: Shape = { clients: 2_000, conversations: 200, perS: 500 };
export const BROADCAST: Shape = { clients: 2_000, conversations: 1, perS: 20 };

/** Where a rising rate begins: within reach of any machine, and few steps from where it ends. */
export const RISING_CHAT: Shape = { ...CHAT, perS: 1_000 };
export const RISING_BROADCAST: Shape = { ...BROADCAST, perS: 40 };

/** Steps in a row beyond the bound: a single one may be somebody else's doing. */
const BEYOND_MAX = 2;
/** One in which others used the machine says less: it takes five of them. */
const DISTURBED_COUNTS = 0.4;
const RATE_FACTOR = 1.5;
const STEPS_MAX = 20;

const STEADY = { full: { warmUpS: 3, seconds: 15 }, quick: { warmUpS: 1, seconds: 3 } } as const;
export const RAISED = {
  full: { warmUpS: 2, seconds: 5 },
  quick: { warmUpS: 0.5, seconds: 2 },
} as const;

export type Serve = (bench: Bench, variant: Variant) => Promise<Served>;

export const serveEdge: Serve = ({ stage }, { env }) => stage.edge(env);
export const serveFloor: Serve = ({ stage }) => stage.floorServer();

/** One rate, for a while. */
export function steady(name: string, shape: Shape, serve: Serve = serveEdge): Scenario {
  return (bench, variant) =>
    onStage({ bench, variant, shape, serve }, async (fleet, served): Promise<ScenarioResult> => {
      const { perS } = scaled(shape, bench);
      const { warmUpS, seconds } = windowsOf(bench, STEADY);
      await fleet.publish(perS);
      await sleep(warmUpS * 1_000);
      const figures = await measure(bench, fleet, served, seconds);
      await settled(fleet);
      return { scenario: name, variant: variant.name, figures, more: {}, notes: notesOf(figures) };
    });
}

/** Rates that rise until the p99 passes its bound; the result is the best step before that. */
export function raised(name: string, shape: Shape, serve: Serve = serveEdge): Scenario {
  return (bench, variant) =>
    onStage({ bench, variant, shape, serve }, async (fleet, served): Promise<ScenarioResult> => {
      const windows = windowsOf(bench, RAISED);
      const isWithin = (figures: Figures): boolean => latencyOf(figures, shape) <= bench.p99MsMax;
      const steps = await risingSteps(scaled(shape, bench).perS, isWithin, async (perS) => {
        const figures = await step({ bench, fleet, served, windows }, perS);
        bench.tell(`${name}: ${lineOf(figures, shape)}`);
        return figures;
      });
      const figures = bestOf(steps.filter(isWithin), shape) ?? steps[0];
      return {
        scenario: name,
        variant: variant.name,
        ...(figures && { figures }),
        steps,
        more: {},
        notes: [...lastNotes(steps), ...(figures === undefined ? [] : notesOf(figures))],
      };
    });
}

/** A step for each rate, each half as much again, until they have been beyond the bound for good. */
export async function risingSteps(
  firstPerS: number,
  isWithin: (figures: Figures) => boolean,
  measureAt: (perS: number) => Promise<Figures>,
): Promise<Figures[]> {
  const steps: Figures[] = [];
  let beyond = 0;
  for (let perS = firstPerS; steps.length < STEPS_MAX && beyond < BEYOND_MAX; perS *= RATE_FACTOR) {
    const figures = await measureAt(perS);
    steps.push(figures);
    if (isWithin(figures)) beyond = 0;
    else beyond += isDisturbed(figures) ? DISTURBED_COUNTS : 1;
  }
  return steps;
}

/** Why the rate rose no further, where it was not the edge. */
export function lastNotes(steps: readonly Figures[]): string[] {
  const limit = steps.at(-1)?.loadLimit;
  return limit === undefined ? [] : [`at the last step the load side was the limit: ${limit}`];
}

async function step(
  parts: {
    readonly bench: Bench;
    readonly fleet: LoadFleet;
    readonly served: Served;
    readonly windows: Windows;
  },
  perS: number,
): Promise<Figures> {
  const { bench, fleet, served, windows } = parts;
  await fleet.publish(perS);
  await sleep(windows.warmUpS * 1_000);
  const figures = await measure(bench, fleet, served, windows.seconds);
  // A backlog would be the next step's latency.
  await settled(fleet);
  return figures;
}

function latencyOf({ p99Ms, ackP99Ms }: Figures, { isSilent = false }: Shape): number {
  const latencyMs = isSilent ? ackP99Ms : p99Ms;
  return Number.isNaN(latencyMs) ? Number.POSITIVE_INFINITY : latencyMs;
}

function bestOf(steps: readonly Figures[], { isSilent = false }: Shape): Figures | undefined {
  const worth = (figures: Figures): number =>
    isSilent ? figures.acknowledgedPerS : figures.deliveriesPerEdgeCore;
  return steps.toSorted((a, b) => worth(b) - worth(a))[0];
}

function lineOf(figures: Figures, shape: Shape): string {
  const { publishesPerS, deliveriesPerS, edgeCpu, otherCoreBusy, loadLimit } = figures;
  const rates = `${Math.round(publishesPerS)}/s → ${Math.round(deliveriesPerS)}/s`;
  const p99 = `p99 ${latencyOf(figures, shape).toFixed(1)} ms`;
  const cpu = `edge ${Math.round(edgeCpu * 100)} %, other core ${Math.round(otherCoreBusy * 100)} %`;
  return `${rates}, ${p99}, ${cpu}${loadLimit === undefined ? "" : ` (load: ${loadLimit})`}`;
}

/** The shape at the run's scale: rates and clients together, so that each client does the same. */
function scaled(shape: Shape, { scale }: Bench): Shape {
  const { clients, conversations, perS } = shape;
  return {
    ...shape,
    clients: Math.ceil(clients * scale),
    conversations: Math.max(1, Math.floor(conversations * scale)),
    perS: perS * scale,
  };
}

async function onStage(
  options: {
    readonly bench: Bench;
    readonly variant: Variant;
    readonly shape: Shape;
    readonly serve: Serve;
  },
  run: (fleet: LoadFleet, served: Served) => Promise<ScenarioResult>,
): Promise<ScenarioResult> {
  const { bench, variant, shape, serve } = options;
  const { clients, conversations, isSilent, hasKeys, acknowledges } = scaled(shape, bench);
  const served = await serve(bench, variant);
  const fleet = await bench.stage.fleet();
  try {
    await opened(fleet, bench, {
      port: served.port,
      count: clients,
      conversations,
      subscribes: isSilent !== true,
      hasKeys: hasKeys !== false,
      acknowledges: acknowledges === true,
    });
    return await run(fleet, served);
  } finally {
    await fleet.end();
    await served.kill();
  }
}
