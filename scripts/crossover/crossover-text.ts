import type { Crossover, FleetLoad, Range } from "./crossover.ts";

/** For people; CPU in percent of one core. */
export function crossoverText(
  { edges, interest, perS, partitions, conversations }: FleetLoad,
  { choice, direct, relay, relayWithin }: Crossover,
): string {
  const share = (interest * 100).toPrecision(3);
  const { cpuPerEdge, redisCpu, piecesPerS, followed } = relay;
  const rows = [
    ["", "CPU of an edge", "of Redis", "pieces/s"],
    ["direct", percent(direct.cpuPerEdge), "–", "–"],
    ["relay", percent(cpuPerEdge), percent(redisCpu), Math.round(piecesPerS).toLocaleString("en")],
  ];
  const from = [
    within(relayWithin.edges, "edges"),
    within(relayWithin.perS, "records/s"),
    relayWithin.interest !== undefined &&
      `at an interest of at most ${relayWithin.interest.from.toPrecision(2)}`,
  ].filter((text) => text !== false);
  return [
    `${edges} edges, ${perS} records/s in ${partitions} partitions and ${conversations} conversations, ${share} % of them wanted on an edge`,
    "",
    ...rows.map((row) =>
      row.map((cell, at) => (at === 0 ? cell.padEnd(8) : cell.padStart(16))).join(""),
    ),
    "",
    `An edge follows ${percent(followed)} of the buckets. What its subscribers want costs the same either way and is in neither number.`,
    ...(redisCpu > 1 ? ["One Redis is not enough for it: it takes a cluster."] : []),
    from.length === 0
      ? "Relay is cheaper at no number of edges, rate or interest, all else as given."
      : `All else as given, relay is cheaper ${from.join("; ")}.`,
    `→ ${choice}`,
  ].join("\n");
}

function within(range: Range | undefined, what: string): string | false {
  if (range === undefined) return false;
  const [from, to] = [range.from, range.to].map((value) => value && Number(value.toPrecision(2)));
  return to === undefined ? `from ${from} ${what} on` : `from ${from} to ${to} ${what}`;
}

function percent(cores: number): string {
  return `${(cores * 100).toFixed(1)} %`;
}
