export const FAULT_KINDS = [
  "edge-kill",
  "edge-freeze",
  "edge-restart",
  "redis-kill",
  "redis-freeze",
  "redis-flush",
  "kafka-kill",
  "kafka-freeze",
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Which edge, where it is one; the first is never ended. */
  readonly edge: number;
  /** How long a freeze lasts. */
  readonly freezeMs: number;
  /** After the one before it. */
  readonly waitMs: number;
}

const FREEZE_MS_MIN = 1_000;
const FREEZE_MS_MAX = 5_000;

/** What goes wrong, and when: the same for the same seed. Never ends. */
export function* faultPlan(options: {
  readonly random: () => number;
  readonly kinds: readonly FaultKind[];
  readonly edges: number;
  readonly everyMs: number;
}): Generator<Fault, never> {
  const { random, kinds, edges, everyMs } = options;
  for (;;) {
    const kind = kinds[Math.floor(random() * kinds.length)] ?? "edge-freeze";
    const isEnding = kind !== "edge-freeze";
    const first = isEnding && edges > 1 ? 1 : 0;
    yield {
      kind,
      edge: first + Math.floor(random() * (edges - first)),
      freezeMs: Math.round(FREEZE_MS_MIN + random() * (FREEZE_MS_MAX - FREEZE_MS_MIN)),
      waitMs: Math.round(everyMs * (0.5 + random())),
    };
  }
}
