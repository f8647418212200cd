import { expect, test } from "vitest";
import { type Window, recordCosts } from "./record-costs.ts";

/** Costs from which windows are made, so that they must be found again: µs. */
const TRUE = {
  read: 60,
  deliver: 9,
  pieceSaid: 11,
  pieceHeard: 7,
  said: 5,
  heard: 3,
  idle: 20_000,
};
const CONNECTIONS = 4_000;
const BEATS = 3_000;
const PIECES = 3_400;
const RATE = 1_000;

function windowOf(
  us: { readonly owner: number; readonly relayed: number; readonly direct: number },
  { piecesPerS = BEATS, publishesPerS = 0, redisCpu = 0 } = {},
): Window {
  const edgeCpus = Object.fromEntries(
    Object.entries(us).map(([edge, more]) => [edge, (TRUE.idle + more) / 1e6]),
  );
  return { figures: { edgeCpus, publishesPerS, redisCpu }, piecesPerS };
}

test("what a record costs is told apart from heartbeats, connections and the edge at rest", () => {
  const { read, deliver, pieceSaid, pieceHeard, said, heard } = TRUE;
  const beats = BEATS * pieceSaid;
  const hearing = CONNECTIONS + BEATS * pieceHeard;
  const traffic = { piecesPerS: PIECES, publishesPerS: RATE };
  const saying = PIECES * pieceSaid + RATE * (read + said);
  const relayedAll = CONNECTIONS + PIECES * pieceHeard + RATE * heard;
  const readAll = CONNECTIONS + RATE * read;
  const costs = recordCosts(
    {
      alone: windowOf({ owner: beats, relayed: 0, direct: 0 }),
      silent: windowOf({ owner: beats, relayed: hearing, direct: CONNECTIONS }),
      discarded: windowOf({ owner: saying, relayed: relayedAll, direct: readAll }, traffic),
      wanted: windowOf(
        {
          owner: saying,
          relayed: relayedAll + RATE * deliver,
          direct: readAll + RATE * deliver,
        },
        traffic,
      ),
    },
    "here",
  );
  const found = (name: string): number => costs[name] ?? Number.NaN;
  expect(found("µs read directly, discarded here")).toBeCloseTo(read);
  expect(found("µs read directly, wanted by one here")).toBeCloseTo(read + deliver);
  expect(found("µs relayed, discarded, without its piece here")).toBeCloseTo(heard);
  expect(found("µs said by the owner, without its piece here")).toBeCloseTo(said);
  expect(found("µs a heartbeat said")).toBeCloseTo(pieceSaid);
  expect(found("µs a heartbeat heard")).toBeCloseTo(pieceHeard);
});
