import { Histogram } from "../load/histogram.ts";
import type { LoadWindow } from "../load/tally.ts";
import type { MeterSpan } from "../stage/process-meter.ts";

/** What one measured window told. Shares are of one core: 1 is a core that is fully busy. */
export interface Figures {
  readonly seconds: number;
  readonly publishesPerS: number;
  readonly acknowledgedPerS: number;
  readonly deliveriesPerS: number;
  /** From the intended time of a publish to its delivery. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** From the intended time of a publish to its `pubd`. */
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  /** Of all edges together. */
  readonly edgeCpu: number;
  /** Of each edge, where there are several. */
  readonly edgeCpus?: Readonly<Record<string, number>>;
  readonly kafkaCpu: number;
  readonly redisCpu: number;
  readonly loadCpu: number;
  readonly edgeResidentMb: number;
  readonly kafkaResidentMb: number;
  readonly cpuUsPerDelivery: number;
  readonly deliveriesPerEdgeCore: number;
  readonly cpuUsPerPublish: number;
  /** How late the load side itself sent, and how long its loops were blocked. */
  readonly lateP99Ms: number;
  readonly loadDelayP99Ms: number;
  /** The busiest core but the edge's. */
  readonly otherCoreBusy: number;
  /** What processes of nobody here used meanwhile, of all cores together. */
  readonly foreignCpu: number;
  readonly errors: number;
  readonly firstError: string | undefined;
  readonly brokenPrevs: number;
  readonly closes: number;
  /** Why the numbers say more about the load side than about the edge; undefined: they don't. */
  readonly loadLimit: string | undefined;
  readonly profileFile?: string;
}

const LIMIT = { coreBusy: 0.95, lateMs: 20, delayMs: 50 } as const;
const MB = 1_000_000;

export function figuresOf(
  windows: readonly LoadWindow[],
  span: MeterSpan,
  edgeCore: number | undefined,
): Figures {
  const perS = (of: (window: LoadWindow) => number): number =>
    windows.reduce((sum, window) => sum + of(window) / window.seconds, 0);
  const sum = (of: (window: LoadWindow) => number): number =>
    windows.reduce((total, window) => total + of(window), 0);
  const latency = merged(windows, "latency");
  const acknowledgement = merged(windows, "acknowledgement");
  const late = merged(windows, "lateness").quantile(0.99) / 1_000;
  const edges = namesOfEdges(span);
  const edgeCpu = sumOf(edges, span.cpu);
  const deliveriesPerS = perS(({ received }) => received);
  const acknowledgedPerS = perS(({ acknowledged }) => acknowledged);
  const loadDelayP99Ms = Math.max(0, ...windows.map((window) => window.loopDelayP99Ms));
  const others = span.busyCores.filter((_, core) => core !== edgeCore);
  const busy = { otherCoreBusy: Math.max(0, ...others), lateP99Ms: late, loadDelayP99Ms };
  return {
    seconds: span.seconds,
    publishesPerS: perS(({ sent }) => sent),
    acknowledgedPerS,
    deliveriesPerS,
    p50Ms: latency.quantile(0.5) / 1_000,
    p99Ms: latency.quantile(0.99) / 1_000,
    maxMs: latency.max / 1_000,
    ackP50Ms: acknowledgement.quantile(0.5) / 1_000,
    ackP99Ms: acknowledgement.quantile(0.99) / 1_000,
    edgeCpu,
    ...(edges.length > 1 && { edgeCpus: cpuByName(edges, span) }),
    kafkaCpu: span.cpu.get("kafka") ?? 0,
    redisCpu: span.cpu.get("redis") ?? 0,
    loadCpu: span.cpu.get("load") ?? 0,
    edgeResidentMb: sumOf(edges, span.resident) / MB,
    kafkaResidentMb: (span.resident.get("kafka") ?? 0) / MB,
    cpuUsPerDelivery: (edgeCpu * 1e6) / deliveriesPerS,
    deliveriesPerEdgeCore: deliveriesPerS / edgeCpu,
    cpuUsPerPublish: (edgeCpu * 1e6) / acknowledgedPerS,
    ...busy,
    foreignCpu: foreignOf(span),
    errors: sum(({ errors }) => errors),
    firstError: windows.find(({ firstError }) => firstError !== undefined)?.firstError,
    brokenPrevs: sum(({ brokenPrevs }) => brokenPrevs),
    closes: sum(({ closes }) => closes),
    loadLimit: loadLimitOf(busy),
  };
}

/** `edge`, or `edge:` and the name of each of several. */
const EDGE = /^edge(?:$|:)/;

function namesOfEdges({ cpu }: MeterSpan): string[] {
  return [...cpu.keys()].filter((name) => EDGE.test(name));
}

function sumOf(names: readonly string[], values: ReadonlyMap<string, number>): number {
  return names.reduce((sum, name) => sum + (values.get(name) ?? 0), 0);
}

function cpuByName(names: readonly string[], { cpu }: MeterSpan): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name.replace(EDGE, ""), cpu.get(name) ?? 0]));
}

function merged(
  windows: readonly LoadWindow[],
  name: "latency" | "acknowledgement" | "lateness",
): Histogram {
  const histogram = new Histogram();
  for (const window of windows) histogram.merge(window[name]);
  return histogram;
}

/** A machine that others use, too, measures them as well. */
export function foreignOf({ busyCores, cpu }: MeterSpan): number {
  const busy = busyCores.reduce((sum, share) => sum + share, 0);
  const ours = [...cpu.values()].reduce((sum, share) => sum + share, 0);
  return Math.max(0, busy - ours);
}

/** A load side that sends late or reads late measures itself. */
function loadLimitOf(load: {
  readonly otherCoreBusy: number;
  readonly lateP99Ms: number;
  readonly loadDelayP99Ms: number;
}): string | undefined {
  const { otherCoreBusy, lateP99Ms, loadDelayP99Ms } = load;
  const reasons = [
    otherCoreBusy > LIMIT.coreBusy && `its core ${Math.round(otherCoreBusy * 100)} % busy`,
    lateP99Ms > LIMIT.lateMs && `sends ${Math.round(lateP99Ms)} ms late`,
    loadDelayP99Ms > LIMIT.delayMs && `its loop blocked for ${Math.round(loadDelayP99Ms)} ms`,
  ].filter((reason) => reason !== false);
  return reasons.length === 0 ? undefined : reasons.join(", ");
}
