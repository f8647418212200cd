import type { Costs } from "./crossover.ts";

/**
 * `npm run bench -- --patience 1 relay-records` of 2026-11-26, 19:44 UTC: 2 cores Intel Xeon 2.5 GHz,
 * shared with others. docs/performance.md has the same numbers, and what disturbed them.
 */
export const MEASURED_COSTS: Costs = {
  read: [
    { perS: 202, us: 168 },
    { perS: 1_499, us: 30 },
    { perS: 5_940, us: 14 },
  ],
  said: [
    { perS: 202, us: 68 },
    { perS: 1_499, us: 17.6 },
    { perS: 5_940, us: 3.4 },
  ],
  heard: [
    { perS: 202, us: 79.2 },
    { perS: 1_499, us: 8.6 },
    { perS: 5_940, us: 7 },
  ],
  pieceSaid: 18.6,
  pieceHeard: 7.4,
  redisSaid: 5.5,
  redisHeard: 2.2,
};
