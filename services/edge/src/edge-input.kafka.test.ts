import { must } from "@millrace/runtime";
import { partitionOf } from "@millrace/schemas";
import { decodeMessage, encodeMessage } from "@millrace/schemas/record";
import { type EdgeProcess, waitFor, withAdmin, withProducer } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { LIMITS } from "./limits.ts";
import { EdgeStage, publish, subscribe, whenHas } from "./testing/edge-stage.ts";
import { foreignMessage } from "./testing/foreign-message.ts";
import { type PageJson, ask, messagesPath } from "./testing/http-client.ts";
import type { DownJson, RawClient } from "./testing/raw-client.ts";
import { RawSocket, rawFrame } from "./testing/raw-socket.ts";

const PARTITIONS = 12;
const { frameBytes, bodyBytes } = LIMITS.announced;

let stage: EdgeStage;
let edge: EdgeProcess;
let brokers: string[];

beforeEach(async () => {
  brokers = inject("kafkaBrokers");
  stage = await EdgeStage.open({ brokers, redisUrl: inject("redisUrl") });
  edge = await stage.spawn("edge-1");
});

afterEach(() => stage.close());

/** Everything of the topic, as any reader of it would decode it. */
async function storedBodies(c: string): Promise<string[]> {
  const log = stage.kafkaLog();
  await log.open();
  const { id: epoch } = must(log.epoch, "an open log");
  const partition = partitionOf(Buffer.from(c), PARTITIONS);
  const bodies: string[] = [];
  for (let offset = 0n; ;) {
    const request = { partition, offset, epoch, waitMs: 0, bytesMax: 1_048_576 };
    const chunk = await log.readFrom(request);
    if (chunk.kind !== "chunk") throw new Error(chunk.kind);
    for (const { value } of chunk.records) {
      const decoded = decodeMessage(value ?? new Uint8Array());
      if (decoded.kind === "message" && decoded.message.conversation === c) {
        bodies.push(decoded.message.content);
      }
    }
    offset = chunk.next;
    if (offset === chunk.endOffset) break;
  }
  await log.close({ settleMs: 0 });
  return bodies;
}

async function isUnharmed(client: RawClient): Promise<boolean> {
  return client.closeCode === undefined && (await client.request({ t: "ping" })).t === "pong";
}

describe("texts", () => {
  // C-026
  it("No text a user can type breaks the connection of those who receive it", async () => {
    const c = "room:texts";
    const writer = await stage.connect(edge, "writer");
    const live = [await stage.connect(edge, "one"), await stage.connect(edge, "two")];
    for (const client of live) await subscribe(client, c, "live");
    const good = ["\u{1F338}", "\u{1F468}\u200D\u{1F469}\u200D\u{1F467}", "a\u0000b", "\uFFFF"];
    for (const broken of ["\\ud83d", "a\\udf38b"]) {
      const id = 7_000;
      writer.sendText(`{"t":"pub","id":${id},"c":"${c}","body":"${broken}"}`);
      const refused = await writer.next((frame) => frame.id === id, "an answer");
      expect(refused).toMatchObject({ t: "err", code: "bad-body" });
      writer.frames.length = 0;
    }
    await publish(writer, c, good);
    for (const client of live) await whenHas(client, c, good);
    // A foreign producer knows no rule: bytes that are no UTF-8.
    const value = Buffer.from(encodeMessage(foreignMessage(c, "a###b")));
    value.write("\u00ED\u00A0\u00BD", value.indexOf("###"), "latin1");
    const { topic } = stage;
    await withProducer(brokers, (producer) =>
      producer.send({ topic, messages: [{ key: c, value }] }),
    );
    await publish(writer, c, ["after it"]);
    const late = await stage.connect(edge, "late");
    await subscribe(late, c, "earliest");
    const all = [...good, "a\uFFFD\uFFFD\uFFFDb", "after it"];
    for (const client of [...live, late]) {
      await whenHas(client, c, all);
      expect(await isUnharmed(client)).toBe(true);
    }
    expect(await storedBodies(c)).toEqual(all);
  });

  // C-032
  it("The content of a message comes out exactly as it went in", async () => {
    const c = "room:exact";
    const body =
      ' {"order":1234567890123456789,"price":2.50,\t"max":1e999,"z":-0}\r\n\u2028e\u0301 "\\" </script> ';
    const meta = { " k ": "1234567890123456789", __proto: "\u2028", "": "" };
    const live = await stage.connect(edge, "reader");
    await subscribe(live, c, "live");
    const writer = await stage.connect(edge, "writer");
    const type = "application/json; charset=utf-8";
    const key = " k~1 ";
    expect((await writer.request({ t: "pub", c, body, meta, type, key })).t).toBe("pubd");
    await whenHas(live, c, [body]);
    const resumed = await stage.connect(edge, "reader");
    await subscribe(resumed, c, "earliest");
    await whenHas(resumed, c, [body]);
    for (const client of [live, resumed]) {
      expect(client.messages(c)[0]).toMatchObject({ body, meta, type, key, from: "writer" });
    }
    expect(await storedBodies(c)).toEqual([body]);
    const token = await stage.issuer.token({ sub: "writer" });
    const path = messagesPath(c);
    const page = await ask(edge.port, path, { token });
    expect(page.json?.["messages"]).toMatchObject([{ body, meta, type, key, from: "writer" }]);

    // The other way in, and every way out.
    const bodies = [
      "<script>",
      "</script>\u2028\u2029",
      "\u{1F338}\u{1F468}\u200D\u{1F469}",
      "a\u0000b\uFFFF\uFEFF",
      "\u00e9 e\u0301",
      "x".repeat(bodyBytes),
      "\u0001".repeat(bodyBytes),
      "\u{1F338}".repeat(bodyBytes / 4),
      "",
    ];
    for (const each of bodies) {
      const posted = await ask(edge.port, path, { token, body: { body: each, meta, type } });
      expect([each.slice(0, 20), posted.status]).toEqual([each.slice(0, 20), 201]);
    }
    for (const broken of ["\\ud83d", "a\\udf38b"]) {
      const refused = await ask(edge.port, path, { token, body: `{"body":"${broken}"}` });
      expect([refused.status, refused.json?.["error"]]).toEqual([400, "bad-body"]);
    }
    const all = [body, ...bodies];
    const whole = (await ask(edge.port, path, { token })).json as unknown as PageJson;
    expect(whole.messages.map((message) => message["body"])).toEqual(all);
    expect(whole.messages.every((message) => message["type"] === type)).toBe(true);
    await whenHas(live, c, all);
    await whenHas(resumed, c, all);
    expect(await storedBodies(c)).toEqual(all);
  });
});

describe("shapes", () => {
  // C-030
  it("The shape of a message can hurt nobody but its sender", async () => {
    const c = "room:shapes";
    const neighbour = await stage.connect(edge, "neighbour");
    await subscribe(neighbour, c, "live");
    const keys = Array.from({ length: 5_000 }, (_, index) => `"k${index}":{}`).join(",");

    const refused: [string, number | undefined][] = [
      ['{"t":["pub"],"id":9001}', 9001],
      ['{"t":{"a":1},"id":9002}', 9002],
      ['{"t":7,"id":9003}', 9003],
      ['{"__proto__":{"isAdmin":true},"id":9004}', 9004],
      ['{"constructor":{"prototype":{"x":1}},"id":9005}', 9005],
      [`{"id":9006,${keys}}`, 9006],
      [`{"t":"sub","id":9007,"c":"${c}","from":${nested(50_000)}}`, 9007],
      ['{"t":"ping","id":9007199254740993}', undefined],
      ['{"t":"ping","id":1.5}', undefined],
      ['{"t":"ping","id":"7"}', undefined],
      ['{"t":"ping","id":null}', undefined],
      ['{"t":"ping","id":{"__proto__":1}}', undefined],
    ];
    const offender = await stage.connect(edge, "offender");
    for (const [text, id] of refused) {
      const before = offender.frames.length;
      offender.sendText(text);
      await waitFor(() => offender.frames.length > before, {
        what: `an answer to ${text.slice(0, 40)}`,
      });
      expect([text.slice(0, 40), offender.frames.at(-1)]).toMatchObject([
        text.slice(0, 40),
        { t: "err", code: "bad-frame" },
      ]);
      expect(offender.frames.at(-1)?.id).toBe(id);
    }
    expect(await isUnharmed(offender)).toBe(true);

    const closing: [string | Buffer, number][] = [
      [nested(60_000), 4400],
      [nested(100_000), 1009],
      [`{"t":"ping",${keys}${',"k":0'.repeat(30_000)}}`, 1009],
      ['[[{"t":"ping"}]]', 4400],
      [`[${"{},".repeat(40_000)}{}]`, 4400],
      ["not JSON", 4400],
      ["null", 4400],
      ['"ping"', 4400],
      [Buffer.from('{"t":"ping"}'), 4400],
      ["x".repeat(frameBytes + 1), 1009],
    ];
    for (const [text, code] of closing) {
      const client = await stage.connect(edge, "offender");
      client.sendText(text);
      await waitFor(() => client.closeCode !== undefined, { what: `a close for ${code}` });
      expect([text.slice(0, 20), client.closeCode]).toEqual([text.slice(0, 20), code]);
    }

    const opaque = [nested(8_000), '{"__proto__":{"isAdmin":true}}', '[{"t":"pub"}]'];
    await publish(await stage.connect(edge, "writer"), c, opaque);
    await whenHas(neighbour, c, opaque);
    expect(await isUnharmed(neighbour)).toBe(true);
    expect(edge.child.hasExited).toBe(false);
  });

  // C-033
  it("A frame that breaks the protocol ends its own connection and no other", async () => {
    const c = "room:frames";
    const healthy = await Promise.all(
      Array.from({ length: 100 }, (_, index) => stage.connect(edge, `healthy-${index}`)),
    );
    for (const client of healthy) await subscribe(client, c, "live");
    const offences: Record<string, Buffer> = {
      "opcode 3": rawFrame(0x83, "x"),
      "RSV1 without compression": rawFrame(0xc1, '{"t":"ping"}'),
      "a ping of 126 bytes": rawFrame(0x89, "x".repeat(126)),
      "a fragmented ping": rawFrame(0x09, "x"),
      "a continuation without a start": rawFrame(0x80, "x"),
      "a close with code 999": rawFrame(0x88, Buffer.from([0x03, 0xe7])),
      "a close with one byte": rawFrame(0x88, Buffer.from([0x03])),
      "text that is no UTF-8": rawFrame(0x81, Buffer.from([0xed, 0xa0, 0xbd])),
    };
    const token = await stage.issuer.token({ sub: "offender" });
    const { port } = edge;
    for (const [what, bytes] of Object.entries(offences)) {
      const offender = await RawSocket.open({ port, token });
      offender.write(bytes);
      await waitFor(() => offender.isClosed, { what: `the end of ${what}` });
    }
    // Read as garbage, it may wait for more: it must not be taken for a frame.
    const unmasked = await RawSocket.open({ port, token });
    const text = JSON.stringify({ t: "pub", c, body: "unmasked" });
    unmasked.write(rawFrame(0x81, text, { isMasked: false }));
    await publish(must(healthy[0], "a client"), c, ["fine"]);
    for (const client of healthy) await whenHas(client, c, ["fine"]);
    unmasked.destroy();
    expect(edge.child.hasExited).toBe(false);
  });
});

describe("fields", () => {
  it("gives each bad field the code of the table, and costs its sender one request", async () => {
    const c = "room:fields";
    const client = await stage.connect(edge, "alice");
    const { pos } = await subscribe(client, c, "live");
    const position = must(pos, "a position");
    const [epoch = "", partition = ""] = position.split(".");
    const other = (Number(partition) + 1) % PARTITIONS;
    const codes: [object, string][] = [
      [{ t: "pub", c: "", body: "x" }, "bad-conversation"],
      [{ t: "pub", c: "room:\u0007", body: "x" }, "bad-conversation"],
      [{ t: "pub", c: "room:\u0085", body: "x" }, "bad-conversation"],
      [{ t: "sub", c: "x".repeat(201) }, "bad-conversation"],
      [{ t: "sub", c: "room:\ud800" }, "bad-conversation"],
      [{ t: "sub", c: "dm:b:a" }, "bad-conversation"],
      [{ t: "sub", c: "dm:bob:carol" }, "forbidden"],
      [{ t: "sub", c: "inbox:bob" }, "forbidden"],
      [{ t: "pub", c: "inbox:alice", body: "x" }, "forbidden"],
      [{ t: "pub", c: "sys:news", body: "x" }, "forbidden"],
      [{ t: "pub", c, body: "x".repeat(bodyBytes + 1) }, "body-too-large"],
      [{ t: "pub", c, body: "€".repeat(bodyBytes / 3 + 1) }, "body-too-large"],
      [{ t: "pub", c, body: "x", meta: { a: "x".repeat(1_024) } }, "body-too-large"],
      [{ t: "pub", c, body: "\udc00" }, "bad-body"],
      [{ t: "pub", c, body: "x", key: "é" }, "bad-key"],
      [{ t: "pub", c, body: 7 }, "bad-frame"],
      [{ t: "sub", c, from: { after: "here" } }, "bad-position"],
      [{ t: "sub", c, from: { after: `${epoch}.${other}.0` } }, "bad-position"],
      [{ t: "sub", c, from: { after: `${epoch}.${partition}.00` } }, "bad-position"],
      [{ t: "sub", c, from: { last: 1_001 } }, "bad-frame"],
      [{ t: "ack", c, pos: "here" }, "bad-position"],
      [{ t: "ack", c, pos: `${epoch}.${partition}.4711` }, "bad-position"],
      [{ t: "ack", c, pos: `AAAAAAAA.${partition}.0` }, "bad-position"],
      [{ t: "ack", c, pos: `${epoch}.${other}.0` }, "bad-position"],
      [{ t: "unsub", c: "room:never" }, "not-subscribed"],
      [{ t: "skip", c: "room:never" }, "not-subscribed"],
      [{ t: "auth", token: "x" }, "bad-token"],
    ];
    for (const [frame, code] of codes) {
      const answer = await client.request(frame);
      expect([frame, answer.t, answer.code]).toEqual([frame, "err", code]);
    }
    // A position of another life of the topic, or beyond the end, is no error but a gap.
    const elsewhere = await stage.connect(edge, "alice");
    await subscribe(elsewhere, c, { after: `AAAAAAAA.${partition}.3` });
    await elsewhere.next(({ t, reason }) => t === "gap" && reason === "recreated", "a gap");
    await subscribe(elsewhere, c, { after: `${epoch}.${partition}.4711` });
    await elsewhere.next(({ t, reason }) => t === "gap" && reason === "truncated", "a gap");
    await publish(client, c, ["still here"]);
    await whenHas(client, c, ["still here"]);
  });

  it("keeps the order of answers also where a pub in the middle is refused", async () => {
    const c = "room:answers";
    const client = await stage.connect(edge, "alice");
    const bodies = ["a", 7, "b", "\ud800", "c"];
    client.sendText(
      JSON.stringify(bodies.map((body, index) => ({ t: "pub", id: 100 + index, c, body }))),
    );
    await client.next(({ id }) => id === 104, "the last answer");
    const answers = client.frames.filter(({ id }) => (id ?? 0) >= 100);
    expect(answers.map(({ t, id }: DownJson) => [id, t])).toEqual([
      [100, "pubd"],
      [101, "err"],
      [102, "pubd"],
      [103, "err"],
      [104, "pubd"],
    ]);
  });
});

describe("names", () => {
  // C-031
  it("Two different names never meet in one key, channel or pattern", async () => {
    const topics = await topicNames();
    const writer = await stage.connect(edge, "writer");
    // Joined with colons, user, device and conversation would read the same.
    const [one, two] = ["room:x", "d:room:x"];
    const first = await stage.connect(edge, "b:c", "d");
    const second = await stage.connect(edge, "b", "c");
    for (const c of [one, two]) await publish(writer, c, ["m0", "m1", "m2"]);
    await ackAt(first, one, 0);
    await ackAt(second, two, 2);
    const again = [await stage.connect(edge, "b:c", "d"), await stage.connect(edge, "b", "c")];
    expect((await subscribe(must(again[0], "one"), one, "acked")).pos).toBe(
      first.messages(one)[0]?.pos,
    );
    expect((await subscribe(must(again[1], "two"), two, "acked")).pos).toBe(
      second.messages(two)[2]?.pos,
    );

    const pairs: [string, string, string][] = [
      ["a", "b:c", "dm:a:b%3Ac"],
      ["a:b", "c", "dm:a%3Ab:c"],
    ];
    for (const [from, to, c] of pairs) {
      const [sender, receiver] = [await stage.connect(edge, from), await stage.connect(edge, to)];
      await subscribe(receiver, c, "live");
      expect(await sender.request({ t: "pub", to, body: `for ${to}` })).toMatchObject({
        t: "pubd",
        c,
      });
      await whenHas(receiver, c, [`for ${to}`]);
      const other = pairs.find(([user]) => user !== from);
      expect((await sender.request({ t: "sub", c: other?.[2] })).code).toBe("forbidden");
    }

    const odd = ["*", "[x]", "x", "..", ".", "a.b", "a_b", "a b", "%", "{a}", "room:*"];
    const reader = await stage.connect(edge, "reader", "odd");
    for (const c of odd) await subscribe(reader, c, "live");
    for (const c of odd) await publish(writer, c, [`in ${c}`]);
    for (const c of odd) {
      await whenHas(reader, c, [`in ${c}`]);
      expect((await reader.request({ t: "ack", c, pos: reader.position(c) })).t).toBe("ackd");
    }
    const back = await stage.connect(edge, "reader", "odd");
    for (const c of odd) {
      const { pos } = await subscribe(back, c, "acked");
      expect(pos).toBe(reader.messages(c)[0]?.pos);
    }
    expect(await topicNames()).toEqual(topics);
  });
});

function nested(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}

/** The client has read three messages, and acknowledges up to one of them. */
async function ackAt(client: RawClient, c: string, index: number): Promise<void> {
  await subscribe(client, c, "earliest");
  await whenHas(client, c, ["m0", "m1", "m2"]);
  const { pos } = must(client.messages(c)[index], "a message");
  expect((await client.request({ t: "ack", c, pos })).t).toBe("ackd");
}

async function topicNames(): Promise<string[]> {
  const names = await withAdmin(brokers, (admin) => admin.listTopics());
  // Other tests have topics of their own.
  return names.filter((name) => !/^(edge|topic|writer|conformance)-|^__/.test(name)).toSorted();
}
