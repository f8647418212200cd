import type { ScenarioResult } from "../scenario/measured.ts";

/** Each scenario beside the floor that does the same work without an edge, or on one edge alone. */
const FLOORS: readonly (readonly [scenario: string, floor: string])[] = [
  ["chat", "floor-uws-chat"],
  ["chat-raised", "floor-uws-chat-raised"],
  ["broadcast-raised", "floor-uws-broadcast-raised"],
  ["fleet-direct", "fleet-same"],
  ["fleet-relay", "fleet-same"],
  ["fleet-three", "fleet-one"],
  ["fleet-three-relay", "fleet-one"],
];

/** How much more CPU a delivery costs the edges than the other one of the same run. */
export function floorRatios(results: readonly ScenarioResult[]): string[] {
  return FLOORS.flatMap(([scenario, floor]) => {
    const cost = costOf(results, scenario);
    const floorCost = costOf(results, floor);
    if (cost === undefined || floorCost === undefined) return [];
    return [`${scenario}: CPU per delivery × ${(cost / floorCost).toFixed(1)} of ${floor}`];
  });
}

function costOf(results: readonly ScenarioResult[], name: string): number | undefined {
  return results.find(({ scenario }) => scenario === name)?.figures?.cpuUsPerDelivery;
}
