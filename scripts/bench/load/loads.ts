import type { Load } from "./load-protocol.ts";

/** Several that are measured as one. */
export function allOf(loads: readonly Load[]): Load {
  return {
    windows: async () => (await Promise.all(loads.map((load) => load.windows()))).flat(),
    quiet: () => Promise.all(loads.map((load) => load.quiet())),
  };
}
