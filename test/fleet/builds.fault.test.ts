import { EarlierBuild, RedisServer, findCommit } from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, expect, inject, it } from "vitest";
import { DELIVERIES, relayedOn } from "../../services/edge/src/testing/deliveries.ts";
import { Fleet } from "./fleet.ts";

const IS_FULL = process.env["MILLRACE_FULL"] === "1";
const EDGES = IS_FULL ? 3 : 2;
const PER_SECOND = IS_FULL ? 500 : 100;

/** Of which commit the build is that is rolled from and back to; a release, for example. */
const EARLIER = process.env["MILLRACE_EARLIER"] ?? "HEAD~1";

const found = findCommit(EARLIER);
const why = "why" in found ? found.why : undefined;
if (why !== undefined) process.stdout.write(`no roll between builds: ${why}\n`);

let earlier: EarlierBuild | undefined;
let fleet: Fleet | undefined;

beforeAll(() => {
  if (!("why" in found)) earlier = EarlierBuild.check(found);
});

afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

afterAll(() => earlier?.remove());

it.skipIf(why !== undefined).each(DELIVERIES)(
  "A roll from the earlier build to this one and back loses nothing, with delivery %s",
  async (delivery) => {
    const folder = earlier?.folder ?? "";
    const redis = await RedisServer.start();
    const brokers = inject("kafkaBrokers");
    fleet = await Fleet.open({ brokers, edges: EDGES, redis, delivery, folder });
    const load = await fleet.load({ perSecond: PER_SECOND });
    const startMs = performance.now();
    for (const how of [{}, { folder }]) {
      for (let index = 0; index < EDGES; index++) {
        expect(await fleet.edge(index).terminate()).toBe(0);
        await fleet.spawn(index, how);
        // Both builds are at work beside each other.
        load.dropAll();
        await load.whenPublished(2 * PER_SECOND);
        await load.whenReceived(2 * PER_SECOND);
      }
      await fleet.whenRelayed();
      for (const edge of fleet.edges) {
        expect((await relayedOn(edge)) > 0).toBe(delivery === "relay");
      }
    }
    const { offences, repeatedKeys, stored } = await load.judge();
    expect(offences).toEqual([]);
    expect(repeatedKeys).toBe(0);
    const delayMs = load.longestDelaySince(startMs);
    const commit = "why" in found ? "" : `${found.commit.slice(0, 12)} (${found.subject})`;
    process.stdout.write(
      `${delivery}, to this build from ${commit} and back: ${stored} records, longest delay ${delayMs} ms\n`,
    );
  },
  240_000,
);
