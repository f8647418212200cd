import type { ScenarioResult } from "../scenario/measured.ts";

/** What one feature costs: each number beside that of the same chat without it, in the same run. */
export interface FeatureRatio {
  readonly feature: string;
  readonly cpuPerDelivery: number;
  /** Not known of `compression`, which is measured by other clients. */
  readonly p50?: number;
  readonly p99?: number;
  readonly ackP50?: number;
}

const PREFIX = "features-";
const PLAIN = `${PREFIX}plain`;

export function featureRatios(results: readonly ScenarioResult[]): FeatureRatio[] {
  const plain = results.find(({ scenario }) => scenario === PLAIN);
  return results.flatMap((result) => {
    const { scenario, figures, more } = result;
    if (!scenario.startsWith(PREFIX) || scenario === PLAIN) return [];
    const feature = scenario.slice(PREFIX.length);
    const cpu = more["CPU, ratio"];
    if (cpu !== undefined) return [{ feature, cpuPerDelivery: cpu }];
    const base = plain?.variant === result.variant ? plain.figures : undefined;
    if (figures === undefined || base === undefined) return [];
    return [
      {
        feature,
        cpuPerDelivery: figures.cpuUsPerDelivery / base.cpuUsPerDelivery,
        p50: figures.p50Ms / base.p50Ms,
        p99: figures.p99Ms / base.p99Ms,
        ackP50: figures.ackP50Ms / base.ackP50Ms,
      },
    ];
  });
}

/** As they stand below the table. */
export function featureLines(results: readonly ScenarioResult[]): string[] {
  return featureRatios(results).map(({ feature, cpuPerDelivery, p50, p99, ackP50 }) => {
    const parts = [
      `CPU per delivery × ${cpuPerDelivery.toFixed(2)}`,
      ...(p50 === undefined ? [] : [`p50 × ${p50.toFixed(2)}`]),
      ...(p99 === undefined ? [] : [`p99 × ${p99.toFixed(2)}`]),
      ...(ackP50 === undefined ? [] : [`pubd p50 × ${ackP50.toFixed(2)}`]),
    ];
    return `cost of ${feature}: ${parts.join(", ")}`;
  });
}
