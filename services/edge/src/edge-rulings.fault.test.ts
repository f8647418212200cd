import { KafkaCluster, waitFor } from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from "vitest";
import { EdgeStage, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import { ask } from "./testing/http-client.ts";
import { Operator } from "./testing/operator.ts";

let kafka: KafkaCluster;
let stage: EdgeStage;

beforeAll(async () => {
  kafka = await KafkaCluster.start({ brokers: 1 });
});

afterAll(() => kafka.stop());

beforeEach(async () => {
  stage = await EdgeStage.open({ brokers: kafka.brokers, redisUrl: inject("redisUrl") });
});

afterEach(() => stage.close());

it("With Kafka down the last known rights hold, and what is ruled next takes effect when it is back", async () => {
  const c = "room:down";
  const [one, two] = [await stage.start("edge-1"), await stage.start("edge-2")];
  const operator = await Operator.of(stage, one);
  const [bob, carol] = [await stage.connect(two, "bob"), await stage.connect(two, "carol")];
  await subscribe(carol, c, "live");
  await operator.ban("bob");
  await waitFor(() => bob.closeCode === 4403, { what: "bob's end" });
  await kafka.kill(0);
  const token = await stage.issuer.token({ sub: "bob" });
  expect((await ask(two.port, "/v1/connect", { token })).status).toBe(403);
  // Nobody is told that a ruling was taken which no log has.
  expect((await operator.call("PUT", `/v1/removals/${c}/carol`)).status).toBe(503);
  expect((await carol.request({ t: "ping" })).t).toBe("pong");
  await kafka.restart(0);
  await waitFor(
    () =>
      operator.remove("carol", c).then(
        () => true,
        () => false,
      ),
    {
      what: "a ruling that is taken",
    },
  );
  await carol.next(({ t }) => t === "unsubd", "carol's end in the room");
  const alice = await stage.connect(one, "alice");
  await subscribe(alice, c, "live");
  await publish(alice, c, ["m1"]);
  await whenHas(alice, c, ["m1"]);
  expect(carol.messages(c)).toEqual([]);
  expect((await ask(two.port, "/v1/connect", { token })).status).toBe(403);
});
