import { must, systemClock } from "@millrace/runtime";
import { afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import {
  type EdgePlace,
  EdgeStage,
  type LocalEdge,
  subscribe,
  whenHas,
} from "../../services/edge/src/testing/edge-stage.ts";
import { RawClient } from "../../services/edge/src/testing/raw-client.ts";
import { foreignFields } from "./foreign-message.ts";
import { type Place, readByReference, whyNoReference, writeByReference } from "./reference-run.ts";

const PREPARE_MS = 600_000;
const HOUR_MS = 3_600_000;
const YEAR_2100_MS = Date.UTC(2100, 0, 1);

/** What a client may have for a time, and under which names. */
const NAMES = ["ts", "time", "timestamp", "sentAt", "sent_at"];
const TIMES: readonly unknown[] = [
  0,
  Math.trunc(Date.now() / 1_000),
  Date.now() * 1_000,
  YEAR_2100_MS,
  -1,
  "2100-01-01T00:00:00Z",
  null,
  undefined,
];

/** One way to publish; its answer has the position and the time of what was stored. */
interface PublishWay {
  readonly name: string;
  publish(c: string, body: string, times: object): Promise<{ readonly ts: number }>;
}

let missing: string | undefined;
let stage: EdgeStage;
let place: Place;

beforeAll(async () => {
  missing = await whyNoReference();
}, PREPARE_MS);

beforeEach(async ({ skip }) => {
  skip(missing !== undefined, missing);
  const brokers = inject("kafkaBrokers");
  stage = await EdgeStage.open({ brokers, redisUrl: inject("redisUrl") });
  place = { brokers, topic: stage.topic };
});

afterEach(async () => {
  if (missing === undefined) await stage.close();
});

/** With a token that is good by the clock of any edge here. */
async function connect(edge: EdgePlace, sub: string): Promise<RawClient> {
  const client = await RawClient.open({ url: edge.ws, token: await tokenOf(sub) });
  stage.atEnd(() => Promise.resolve(client.terminate()));
  return client;
}

function tokenOf(sub: string): Promise<string> {
  const exp = Math.ceil((Date.now() + 2 * HOUR_MS) / 1_000);
  return stage.issuer.token({ sub, exp });
}

function byHttp(name: string, { port }: LocalEdge, token: string): PublishWay {
  return {
    name,
    publish: async (c, body, times) => {
      const url = `http://127.0.0.1:${port}/v1/conversations/${encodeURIComponent(c)}/messages`;
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const content = JSON.stringify({ body, ...times });
      const response = await fetch(url, { method: "POST", headers, body: content });
      const text = await response.text();
      if (response.status !== 201) throw new Error(`not published: ${response.status} ${text}`);
      return JSON.parse(text) as { readonly ts: number };
    },
  };
}

function byFrame(name: string, client: RawClient): PublishWay {
  return {
    name,
    publish: async (c, body, times) => {
      const answer = await client.request({ t: "pub", c, body, ...times });
      if (answer.t !== "pubd") throw new Error(`not published: ${JSON.stringify(answer)}`);
      return answer as unknown as { readonly ts: number };
    },
  };
}

function timesOf(client: RawClient, c: string): number[] {
  return client.messages(c).map((message) => (message as unknown as { readonly ts: number }).ts);
}

describe("the time of a record", () => {
  // C-084
  it("The time on a record is ours, not the client's", async () => {
    const c = "room:times";
    const sinceMs = Date.now();
    const right = await stage.start("edge-1");
    // One edge's wall clock is an hour ahead.
    const clock = { ...systemClock, wallMs: () => Date.now() + HOUR_MS };
    const ahead = await stage.start("edge-2", { clock });
    const readers = [await connect(right, "one"), await connect(ahead, "two")];
    for (const reader of readers) await subscribe(reader, c, "live");
    const ways = [
      byFrame("frame", await connect(right, "writer")),
      byFrame("frame of the edge ahead", await connect(ahead, "writer")),
      byHttp("HTTP", right, await tokenOf("writer")),
      byHttp("HTTP of the edge ahead", ahead, await tokenOf("writer")),
    ];

    const bodies: string[] = [];
    const answered: number[] = [];
    const note = (body: string): string => {
      bodies.push(body);
      return body;
    };
    for (const [index, time] of TIMES.entries()) {
      const times = Object.fromEntries(NAMES.map((name) => [name, time]));
      for (const way of ways) {
        const { ts } = await way.publish(c, note(`${index} by ${way.name}`), times);
        answered.push(ts);
      }
      const foreign = [0, YEAR_2100_MS].map((timestamp) => {
        const fields = foreignFields(c, note(`${index} at ${timestamp}`));
        return { key: c, fields, timestamp };
      });
      await writeByReference(place, foreign);
    }
    for (const reader of readers) await whenHas(reader, c, bodies);
    const untilMs = Date.now();

    const [one, two] = readers.map((reader) => timesOf(reader, c));
    const times = must(one, "the times that one was told");
    expect(two).toEqual(times);
    expect(times.filter((_, index) => index % (ways.length + 2) < ways.length)).toEqual(answered);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(sinceMs);
    expect(Math.max(...times)).toBeLessThanOrEqual(untilMs);

    const read = await readByReference(place);
    expect(read).toMatchObject({ code: 0, events: [{ event: "end", setAside: {} }] });
    expect(read.lines.map(({ fields }) => fields["content"])).toEqual(bodies);
    expect(read.lines.map(({ timestamp }) => timestamp)).toEqual(times.map(String));
    expect(new Set(read.lines.map(({ timestampType }) => timestampType))).toEqual(
      new Set(["append"]),
    );

    const middle = must(times[Math.trunc(times.length / 2)], "a time");
    for (const edge of [right, ahead]) {
      for (const time of [sinceMs - HOUR_MS, middle, untilMs + HOUR_MS / 2, YEAR_2100_MS]) {
        const reader = await connect(edge, "from a time");
        await subscribe(reader, c, { time });
        await reader.next(({ t }) => t === "live", "the end of the catch-up");
        const wanted = bodies.filter((_, index) => must(times[index], "a time") >= time);
        expect([time, reader.bodies(c)]).toEqual([time, wanted]);
        expect(reader.offence).toBeUndefined();
      }
    }
  });
});
