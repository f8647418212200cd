import { expect, it } from "vitest";
import { type EdgeLimits, LIMITS, assertLimits } from "./limits.ts";

const { announced } = LIMITS;

const CONTRADICTIONS: readonly [Partial<EdgeLimits>, string][] = [
  [{ announced: { ...announced, bodyBytes: announced.frameBytes } }, "a body fits its frame"],
  [{ announced: { ...announced, publishPerSec: 201 } }, "every publish in its rate is a frame"],
  [{ frameBurst: announced.publishBurst - 1 }, "a burst of publishes is no flood of frames"],
  [{ bufferedBytesLow: LIMITS.bufferedBytesMax }, "a reader drains before it is fed"],
  [{ dueBytesMax: LIMITS.catchUpBytes - 1 }, "one helping of a catch-up is never lagging"],
  [{ historyScansMax: LIMITS.httpRequestsMax }, "history leaves room for publishes"],
  [{ weightsMax: LIMITS.weightsTaken }, "weights of several edges at once are all kept"],
  [{ historyScansPerUser: LIMITS.historyScansMax }, "no user takes all of history"],
  [{ dedupLeaseMs: LIMITS.publishDeadlineMs }, "is given up long before its key is free"],
  [{ dedupKeysMax: 1_000 }, "the keys of dedupMs fit the window"],
  [{ bytesPerFrame: 100 }, "the largest message is no flood"],
  [{ connectionsPerAddress: 1 }, "a user's connections may all come from one address"],
  [{ handshakesPerSec: LIMITS.handshakesPerAddress }, "no address takes all handshakes"],
  [{ checksPendingMax: LIMITS.handshakeBurst - 1 }, "a burst of handshakes is looked at"],
  [{ connectionsMax: LIMITS.connectionsPerUser }, "no user takes all connections"],
];

it("A bound that contradicts another stops the start", () => {
  expect(() => assertLimits(LIMITS)).not.toThrow();
  for (const [change, what] of CONTRADICTIONS) {
    expect(() => assertLimits({ ...LIMITS, ...change })).toThrow(what);
  }
});
