import { NginxServer } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { LIMITS } from "../../services/edge/src/limits.ts";
import { EdgeStage } from "../../services/edge/src/testing/edge-stage.ts";
import { RawClient } from "../../services/edge/src/testing/raw-client.ts";
import { isNginxThere } from "./proxied-fleet.ts";

const PER_ADDRESS = 2;
const CLIENT = "203.0.113.9";

let stage: EdgeStage;
let balancer: NginxServer | undefined;

/** An edge that lets two connections of an address in, behind a balancer that believes these hops. */
async function open(trustedHops: readonly string[]): Promise<void> {
  await stage.makeTopic();
  const limits = {
    ...LIMITS,
    connectionsPerAddress: PER_ADDRESS,
    connectionsPerUser: PER_ADDRESS,
  };
  const env = { EDGE_TRUSTED_PROXIES: "127.0.0.1" };
  const { port } = await stage.start("edge-1", { limits }, env);
  balancer = await NginxServer.start({ edges: [`127.0.0.1:${port}`], trustedHops });
}

let users = 0;

/** The status that somebody gets who comes with that header. */
async function statusFor(forwarded: string): Promise<number> {
  if (balancer === undefined) throw new Error("there is no balancer yet");
  const token = await stage.issuer.token({ sub: `user-${users++}` });
  const { ws: url, authority: ca } = balancer;
  const headers = { "x-forwarded-for": forwarded };
  const client = await RawClient.attempt({ url, ca, token, headers });
  stage.atEnd(() => Promise.resolve(client.terminate()));
  return client.refusal ?? 101;
}

describe.skipIf(!(await isNginxThere()))("limits of an address behind a load balancer", () => {
  beforeEach(async () => {
    stage = await EdgeStage.open({
      brokers: inject("kafkaBrokers"),
      redisUrl: inject("redisUrl"),
    });
  });

  afterEach(async () => {
    await stage.close();
    await balancer?.stop();
    balancer = undefined;
  });

  it("count the client that a trusted hop has named, whatever the client wrote before it", async () => {
    await open(["127.0.0.1"]);
    expect(await statusFor(CLIENT)).toBe(101);
    expect(await statusFor(`198.51.100.1, ${CLIENT}`)).toBe(101);
    expect(await statusFor(`198.51.100.2, ${CLIENT}`)).toBe(429);
    expect(await statusFor(`${CLIENT}, 198.51.100.2`)).toBe(101);
  });

  it("count nothing that a client says of itself: this one comes from the loopback", async () => {
    await open([]);
    const statuses = [await statusFor(CLIENT), await statusFor(CLIENT), await statusFor(CLIENT)];
    expect(statuses).toEqual([101, 101, 101]);
  });
});
