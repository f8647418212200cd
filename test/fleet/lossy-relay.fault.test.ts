import type { Ownership } from "@millrace/log";
import { seededRandom } from "@millrace/runtime";
import { RedisServer, waitFor } from "@millrace/testkit";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { decodePiece } from "../../services/edge/src/relay/relay-piece.ts";
import { deliveredBy, relayedOn } from "../../services/edge/src/testing/deliveries.ts";
import { EdgeStage, type LocalEdge } from "../../services/edge/src/testing/edge-stage.ts";
import { SteadyLoad } from "../trouble/steady-load.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const REPETITIONS = IS_FULL ? 20 : 2;
const PER_SECOND = IS_FULL ? 1_000 : 90;
const TEST_MS = IS_FULL ? 3_600_000 : 240_000;
const EDGES = 3;
const PARTITIONS = 12;
const PATIENCE_MS = 90_000;
const LOST_SHARE = 0.3;

/** What an unplanned trouble may cost, ten times over for a machine that is shared. */
const LONGEST_MS = 20_000;

/** Who owns what is said by the test alone. */
class GivenOwnership implements Ownership {
  owned: ReadonlySet<number> = new Set();
  readonly #listeners = new Set<(owned: ReadonlySet<number>) => void>();

  give(owned: readonly number[]): void {
    this.owned = new Set(owned);
    for (const listener of this.#listeners) listener(this.owned);
  }

  onChange(listener: (owned: ReadonlySet<number>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  progressed(): void {}
  join(): void {}
  refresh(): void {}
  rejoin(): void {}
  async leave(): Promise<void> {}
}

const random = seededRandom(6);
const owners = Array.from({ length: EDGES }, () => new GivenOwnership());
const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
let isLost: (piece: Buffer, way: "to" | "from") => boolean = () => false;
let lost = 0;
let redis: RedisServer;
let stage: EdgeStage;
let edges: LocalEdge[];

/** Edge `e` owns each partition `p` for which it is said so. */
function give(owns: (edge: number, partition: number) => boolean): void {
  for (const [edge, owner] of owners.entries()) {
    owner.give(partitions.filter((partition) => owns(edge, partition)));
  }
}

const oneEach = (edge: number, partition: number): boolean => partition % EDGES === edge;
const twoEach = (edge: number, partition: number): boolean => (partition + 1) % EDGES !== edge;

/** Records stand in it, besides how far the owner is. */
function hasRecords(piece: Buffer): boolean {
  return (decodePiece(piece)?.records.length ?? 0) > 0;
}

function drop(piece: Buffer, way: "to" | "from"): boolean {
  const isGone = isLost(piece, way);
  if (isGone) lost += 1;
  return isGone;
}

beforeAll(async () => {
  redis = await RedisServer.start();
  stage = await EdgeStage.open({ brokers: inject("kafkaBrokers"), redisUrl: redis.url });
  await stage.makeTopic();
  edges = await Promise.all(
    owners.map((ownership, index) =>
      stage.start(`edge-${index + 1}`, { ownership, isLost: drop }, deliveredBy("relay")),
    ),
  );
}, 120_000);

afterAll(async () => {
  await stage.close();
  await redis.stop();
});

async function areRelayed(): Promise<boolean> {
  const counts = await Promise.all(edges.map((edge) => relayedOn(edge)));
  return counts.every((count) => count > 0);
}

const TROUBLES: Readonly<
  Record<string, { readonly begin: () => void; readonly losesSome: boolean }>
> = {
  "pieces that are lost at their owner": {
    begin: () => (isLost = (_, way) => way === "to" && random() < LOST_SHARE),
    losesSome: true,
  },
  "pieces that are lost at their receiver": {
    begin: () => (isLost = (_, way) => way === "from" && random() < LOST_SHARE),
    losesSome: true,
  },
  "heartbeats without their records": {
    begin: () => (isLost = (piece, way) => way === "to" && hasRecords(piece)),
    losesSome: true,
  },
  "records without heartbeats": {
    begin: () => (isLost = (piece, way) => way === "to" && !hasRecords(piece)),
    losesSome: true,
  },
  "two owners at once": { begin: () => give(twoEach), losesSome: false },
  "no owner at all": { begin: () => give(() => false), losesSome: false },
};

it.each(Object.entries(TROUBLES))(
  "%s cost no message",
  async (name, { begin, losesSome }) => {
    const load = await SteadyLoad.start({
      edges: edges.map(({ ws }) => ws),
      brokers: inject("kafkaBrokers"),
      topic: stage.topic,
      tokenFor: (sub) => stage.issuer.token({ sub }),
      conversations: Array.from({ length: 24 }, (_, number) => `room:${name}/${number}`),
      senders: 3,
      receivers: 6,
      perSecond: PER_SECOND,
    });
    stage.atEnd(() => load.stop());
    const delaysMs: number[] = [];
    for (let time = 0; time < REPETITIONS; time++) {
      give(oneEach);
      await waitFor(areRelayed, { what: "every edge is relayed to", timeoutMs: PATIENCE_MS });
      const startMs = performance.now();
      const lostBefore = lost;
      begin();
      await load.whenReceived(PER_SECOND);
      if (losesSome) await waitFor(() => lost > lostBefore, { what: "pieces are lost" });
      await load.whenReceived(PER_SECOND);
      isLost = () => false;
      delaysMs.push(load.longestDelaySince(startMs));
    }
    expect((await load.judge()).offences).toEqual([]);
    expect(Math.max(...delaysMs)).toBeLessThan(LONGEST_MS);
    process.stdout.write(`${name}: longest delays ${delaysMs.join(", ")} ms, ${lost} lost\n`);
  },
  TEST_MS,
);
