import { must } from "@millrace/runtime";
import { parsePosition } from "@millrace/schemas";
import { type EdgeProcess, KafkaCluster, waitFor } from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import {
  DELIVERIES,
  edgesFor,
  whenSomeRelayed,
} from "../../services/edge/src/testing/deliveries.ts";
import {
  EdgeStage,
  bodiesFrom,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import { type DownJson, RawClient } from "../../services/edge/src/testing/raw-client.ts";

const PATIENCE_MS = 90_000;
const TEST_MS = 240_000;

/** For so long a publish waits for Kafka; a test on a shared machine asserts ten times as much. */
const PUBLISH_MS = 5_000;

/** Before the log loses its end, and after. */
const ALL = 10;
const KEPT = 6;

const C = "room:gone";

let kafka: KafkaCluster;

beforeAll(async () => {
  kafka = await KafkaCluster.start({ brokers: 1 });
}, 240_000);

afterAll(() => kafka.stop());

describe.each(DELIVERIES)("with %s delivery", (delivery) => {
  let stage: EdgeStage;
  let edges: EdgeProcess[];
  /** One on each edge, so that one of them is relayed to, where that is the way. */
  let readers: RawClient[];
  let writer: RawClient;

  beforeEach(async () => {
    stage = await EdgeStage.open({ brokers: kafka.brokers, redisUrl: inject("redisUrl") });
    edges = await edgesFor(delivery, (name, env) => stage.spawn(name, { env }));
    readers = await Promise.all(edges.map((edge) => stage.connect(edge, "reader")));
    for (const reader of readers) await subscribe(reader, C, "live");
    writer = await stage.connect(must(edges[0], "an edge"), "writer");
    // One by one, so that each is a batch of its own.
    for (const body of bodiesFrom(0, ALL)) await whenStored(body);
    for (const reader of readers) await whenHas(reader, C, bodiesFrom(0, ALL));
    await whenSomeRelayed(edges);
  }, TEST_MS);

  afterEach(async () => {
    await stage.close();
    // Whatever became of a test, the next one finds the broker there.
    if (kafka.hasEnded(0)) await kafka.restart(0);
  });

  /** Without a key, for which an edge that is relayed to reads the log itself for a while. */
  async function whenStored(body: string): Promise<void> {
    await whenTaken({ t: "pub", c: C, body }, ({ unknown }) => unknown !== true);
  }

  async function whenTaken(frame: object, isAgain: (refused: DownJson) => boolean): Promise<void> {
    const isTaken = async (): Promise<boolean> => {
      const answer = await writer.request(frame);
      if (answer.t !== "pubd") expect(answer).toSatisfy(isAgain);
      return answer.t === "pubd";
    };
    await waitFor(isTaken, { what: JSON.stringify(frame), timeoutMs: PATIENCE_MS });
  }

  it(
    "With Kafka down everybody stays, newcomers are sent away, and messages go on when it is back",
    async () => {
      await kafka.kill(0);
      const startMs = performance.now();
      const meanwhile = { t: "pub", c: C, key: "meanwhile", body: "meanwhile" };
      const answer = await writer.request(meanwhile);
      const tookMs = performance.now() - startMs;
      expect(answer).toMatchObject({ t: "err", code: "unavailable", retryMs: expect.any(Number) });
      expect(tookMs).toBeLessThan(10 * PUBLISH_MS);
      process.stdout.write(`Kafka down, ${delivery}: refused after ${Math.round(tookMs)} ms\n`);
      const token = await stage.issuer.token({ sub: "late" });
      for (const edge of edges) {
        const isSentAway = async (): Promise<boolean> => {
          const late = await RawClient.attempt({ url: edge.ws, token });
          late.terminate();
          return late.refusal === 503 && (late.retryAfterS ?? 0) >= 1;
        };
        await waitFor(isSentAway, { what: "newcomers are sent away", timeoutMs: PATIENCE_MS });
        for (const path of ["/healthz", "/readyz"]) {
          expect((await fetch(`${edge.http}${path}`)).status).toBe(200);
        }
      }
      await kafka.restart(0);
      // The key makes it one record, however often it is sent.
      await whenTaken(meanwhile, () => true);
      await whenStored("after");
      for (const reader of readers) {
        await reader.next(({ body }) => body === "after", "what came after it");
        await whenHas(reader, C, [...bodiesFrom(0, ALL), "meanwhile", "after"]);
      }
      for (const client of [...readers, writer]) expect(client.closeCode).toBeUndefined();
    },
    TEST_MS,
  );

  it(
    "A log that has lost its end is told as a gap, and goes on behind it",
    async () => {
      const left = must(readers[0]?.position(C), "a position");
      const { partition, offset } = must(parsePosition(left), "a position");
      expect(offset).toBe(BigInt(ALL));
      await kafka.kill(0);
      kafka.loseTail(0, { topic: stage.topic, partition }, BigInt(KEPT));
      await kafka.restart(0);
      const back = await Promise.all(edges.map((edge) => stage.connect(edge, "back")));
      for (const client of back) await subscribe(client, C, { after: left });
      for (const client of [...readers, ...back]) {
        const gap = await client.next(({ t }) => t === "gap", "a gap");
        const pos = left.replace(/\d+$/, String(KEPT));
        expect(gap).toMatchObject({ after: left, reason: "truncated", pos });
      }
      const next = ["anew", "once more"];
      for (const body of next) await whenStored(body);
      await whenSomeRelayed(edges);
      await whenStored("at last");
      for (const reader of readers) {
        await whenHas(reader, C, [...bodiesFrom(0, ALL), ...next, "at last"]);
      }
      for (const client of back) await whenHas(client, C, [...next, "at last"]);
    },
    TEST_MS,
  );
});
