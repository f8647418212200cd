import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import type {
  Client,
  ConnectOptions,
  Message,
  PublishOptions,
  SubscribeOptions,
  Subscription,
} from "@millrace/client";
import { MillraceError } from "@millrace/client";
import { describe, expect, it } from "vitest";
import { Pipe } from "./pipe.ts";
import { type CliSetting, ctrlC, runMillrace } from "./testing/cli-run.ts";

const URL = "ws://127.0.0.1:1/v1/connect";
const SETTING = { environment: { MILLRACE_CLIENT_URLS: URL, MILLRACE_TOKEN: "t" } };

/** Stands for the SDK: it keeps what it is asked, and does what a test says. */
class ModelClient {
  readonly options: ConnectOptions;
  readonly published: { readonly body: string; readonly options: PublishOptions }[] = [];
  underWay = 0;
  underWayMax = 0;
  isClosed = false;
  followed: { readonly conversation: string; readonly options: SubscribeOptions } | undefined;
  onSubscribed = (_options: SubscribeOptions): void => undefined;

  constructor(options: ConnectOptions) {
    this.options = options;
  }

  subscribe(conversation: string, options: SubscribeOptions): void {
    this.followed = { conversation, options };
    this.onSubscribed(options);
  }

  async publish(_conversation: string, body: string, options: PublishOptions) {
    const pos = `p${this.published.push({ body, options })}`;
    this.underWay += 1;
    this.underWayMax = Math.max(this.underWayMax, this.underWay);
    await new Promise(setImmediate);
    this.underWay -= 1;
    if (body === "bad") throw new MillraceError("no right to write", { code: "forbidden" });
    const { key = "made" } = options;
    return { pos, ts: 1, key, isDuplicate: false };
  }

  close(): void {
    this.isClosed = true;
  }
}

interface Session {
  readonly setting: CliSetting;
  readonly client: () => ModelClient;
}

function session(onSubscribed?: (options: SubscribeOptions) => void, more?: CliSetting): Session {
  let client: ModelClient | undefined;
  const connect = (options: ConnectOptions): Client => {
    client = new ModelClient(options);
    if (onSubscribed !== undefined) client.onSubscribed = onSubscribed;
    return client as unknown as Client;
  };
  return {
    setting: { ...SETTING, ...more, connect },
    client: () => {
      if (client === undefined) throw new Error("nobody was connected");
      return client;
    },
  };
}

const SUBSCRIPTION = { isEnded: true } as Subscription;
const MESSAGE: Message = {
  c: "room:1",
  pos: "AAAAAAAA.0.1",
  id: "m",
  from: "alice",
  ts: 1,
  type: "text/plain",
  body: "hello",
};

describe("tail", () => {
  it("writes each message as a line, and what is gone as a gap, until Ctrl-C", async () => {
    const { stop, interrupted } = ctrlC();
    const gap = {
      after: "AAAAAAAA.0.1",
      pos: "AAAAAAAA.0.9",
      reason: "expired",
      missed: 8,
    } as const;
    const { setting, client } = session(
      ({ onMessage, onGap }) => {
        onMessage(MESSAGE, SUBSCRIPTION);
        onGap?.(gap, SUBSCRIPTION);
        stop();
      },
      { interrupted },
    );
    const { code, out, err } = await runMillrace(["tail", "room:1", "--last", "5"], setting);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toBe(`${JSON.stringify(MESSAGE)}\n${JSON.stringify({ c: "room:1", gap })}\n`);
    expect(client().followed).toMatchObject({
      conversation: "room:1",
      options: { from: { last: 5 } },
    });
    expect(client().options.url).toEqual([URL]);
    expect(client().isClosed).toBe(true);
  });

  it.each([
    ["--from earliest", "earliest"],
    ["--from AAAAAAAA.0.1", { after: "AAAAAAAA.0.1" }],
    ["--from 2026-01-31T12:00Z", { time: Date.UTC(2026, 0, 31, 12) }],
    ["--last 0", "live"],
  ])("%s is where it starts", async (words, from) => {
    const { setting, client } = session(undefined, { interrupted: Promise.resolve() });
    await runMillrace(["tail", "room:1", ...words.split(" ")], setting);
    expect(client().followed?.options.from).toEqual(from);
  });

  it("a conversation that may not be read is a failure with its reason", async () => {
    const error = new MillraceError("no right to read", { code: "forbidden" });
    const { setting } = session(({ onError }) => onError?.(error, SUBSCRIPTION));
    const { code, err } = await runMillrace(["tail", "room:1"], setting);
    expect(code).toBe(1);
    expect(err).toContain("room:1 can't be followed: no right to read (forbidden).\n");
  });
});

/** What is said of the only line, which is not sent. */
async function problem(input: string | Uint8Array, ...words: readonly string[]) {
  const { setting, client } = session(undefined, { input });
  const { code, out, err } = await runMillrace(["send", "room:1", ...words], setting);
  expect([code, client().published]).toEqual([1, []]);
  expect(err).toContain("1 of the lines was not sent.");
  return (JSON.parse(out) as { readonly error: { readonly message: string } }).error.message;
}

describe("send", () => {
  it("publishes what is piped in, in its order, and answers line by line", async () => {
    const { setting, client } = session(undefined, {
      input: '{"body":"one","key":"k1"}\n\n{"body":"two","type":"text/x","meta":{"a":"b"}}\n',
    });
    const { code, out } = await runMillrace(["send", "room:1"], setting);
    expect(code).toBe(0);
    expect(out).toBe(
      '{"line":1,"pos":"p1","ts":1,"key":"k1","isDuplicate":false}\n' +
        '{"line":3,"pos":"p2","ts":1,"key":"made","isDuplicate":false}\n',
    );
    expect(client().published).toEqual([
      { body: "one", options: { key: "k1" } },
      { body: "two", options: { type: "text/x", meta: { a: "b" } } },
    ]);
  });

  it("fails when any line could not be sent, after all the others were", async () => {
    const input = 'not json\n{"body":"bad"}\n{"body":"x","kye":"k"}\n{"body":1}\n{"body":"good"}\n';
    const { setting } = session(undefined, { input });
    const { code, out, err } = await runMillrace(["send", "room:1"], setting);
    expect(code).toBe(1);
    expect(err).toContain("4 of the lines were not sent.");
    const results = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(results.map(({ line, error }) => [line, error?.code])).toEqual([
      [1, "bad-line"],
      [2, "forbidden"],
      [3, "bad-line"],
      [4, "bad-line"],
      [5, undefined],
    ]);
  });

  it("says of each line what is wrong with it, and how many it were", async () => {
    expect(await problem('{"nobody":1}\n')).toBe("body is missing, or no text");
    expect(await problem('{"body":5}\n')).toBe("body is missing, or no text");
    expect(await problem('["body"]\n')).toMatch(/^an object is needed/);
    const broken = Buffer.from([0x61, 0xff, 0x62, 0x0a]);
    expect(await problem(broken)).toBe("it is not valid UTF-8");
    expect(await problem(broken, "--text")).toBe("it is not valid UTF-8");
  });

  it("sends every character as it was typed, also one that separates lines elsewhere", async () => {
    const bodies = ["grüße 🌊 €", "one\u2028two\u0085three", "\uFFFD"];
    const { setting, client } = session(undefined, { input: `${bodies.join("\n")}\n` });
    await runMillrace(["send", "room:1", "--text"], setting);
    expect(client().published.map(({ body }) => body)).toEqual(bodies);
  });

  it.each(["tail", "send"])("%s names the address that can't be reached, and why", async (word) => {
    const { stop, interrupted } = ctrlC();
    const refused = new Error("connect ECONNREFUSED 127.0.0.1:1");
    const cause = new TypeError("fetch failed", { cause: refused });
    const details = { code: "unavailable", isRetryable: true, cause } as const;
    const why = new MillraceError(`${URL} can't be reached`, details);
    const connect = (options: ConnectOptions): Client => {
      setImmediate(() => {
        options.onState?.({ kind: "waiting", retryInMs: 300, why });
        stop();
      });
      return new ModelClient(options) as unknown as Client;
    };
    const setting = { ...SETTING, interrupted, connect, stdin: new PassThrough() };
    const { err } = await runMillrace([word, "room:1"], setting);
    expect(err).toContain(
      `${URL} can't be reached (connect ECONNREFUSED 127.0.0.1:1); again in 0.3 s`,
    );
  });

  it("--text takes each line as it is, and what tail wrote can be sent on", async () => {
    const text = session(undefined, { input: '{"a":1}\nhello\n' });
    await runMillrace(["send", "room:1", "--text"], text.setting);
    expect(text.client().published.map(({ body }) => body)).toEqual(['{"a":1}', "hello"]);
    const told = session(undefined, { input: `${JSON.stringify({ ...MESSAGE, key: "k" })}\n` });
    expect(await runMillrace(["send", "room:2"], told.setting)).toMatchObject({ code: 0 });
    expect(told.client().published).toEqual([
      { body: "hello", options: { key: "k", type: "text/plain" } },
    ]);
  });

  it("answers at once, whatever may still be typed", async () => {
    const input = new PassThrough();
    const { setting } = session(undefined, { stdin: input });
    const sending = runMillrace(["send", "room:1", "--text"], {
      ...setting,
      onOut: (text) => {
        if (text.includes('"pos":"p1"')) input.end("two\n");
      },
    });
    input.write("one\n");
    expect((await sending).out.trimEnd().split("\n")).toHaveLength(2);
  });

  it("holds a bounded number under way, however long the input is", async () => {
    const input = Array.from({ length: 2_000 }, (_, index) => `${index}\n`).join("");
    const { setting, client } = session(undefined, { input });
    const { code, out } = await runMillrace(["send", "room:1", "--text"], setting);
    expect(code).toBe(0);
    expect(client().underWayMax).toBeLessThanOrEqual(256);
    expect(out.trimEnd().split("\n")).toHaveLength(2_000);
  });

  it("an edge that wants no such client ends it with its reason", async () => {
    const { setting } = session(undefined, { input: "hello\n" });
    const why = new MillraceError("the token is for another audience", { code: "stopped" });
    const connect = (options: ConnectOptions): Client => {
      setImmediate(() => options.onState?.({ kind: "stopped", why }));
      return new ModelClient(options) as unknown as Client;
    };
    const { code, err } = await runMillrace(["send", "room:1", "--text"], { ...setting, connect });
    expect(code).toBe(1);
    expect(err).toContain("the token is for another audience");
  });
});

/** A pipe's writing end, whose reader reads when a test says so. */
function output() {
  const events = new EventEmitter();
  const lines: string[] = [];
  return {
    events,
    lines,
    isFull: false,
    write(text: string): boolean {
      lines.push(text);
      return !this.isFull;
    },
    once: (event: string, listener: () => void) => events.once(event, listener),
    on: (event: string, listener: (error: Error) => void) => events.on(event, listener),
  };
}

describe("a pipe", () => {
  it("waits while its reader does not read", async () => {
    const end = output();
    const pipe = new Pipe(end, () => undefined);
    await pipe.write({ a: 1 });
    end.isFull = true;
    let isDone = false;
    const writing = pipe.write({ a: 2 }).then(() => {
      isDone = true;
    });
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    end.events.emit("drain");
    await writing;
  });

  it("has one listener for all that wait, however many they are", async () => {
    const end = output();
    const pipe = new Pipe(end, () => undefined);
    end.isFull = true;
    const writing = Array.from({ length: 20 }, (_, a) => pipe.write({ a }));
    expect([end.events.listenerCount("error"), end.events.listenerCount("drain")]).toEqual([1, 1]);
    end.events.emit("drain");
    await Promise.all(writing);
    expect(end.events.listenerCount("drain")).toBe(0);
  });

  it("shows a terminal what would steer it, as JSON that says the same", async () => {
    const value = { body: "\u009B2J\u007F\u202E" };
    const end = { ...output(), isTTY: true };
    await new Pipe(end, () => undefined).write(value);
    expect(end.lines).toEqual([String.raw`{"body":"\u009b2J\u007f\u202e"}` + "\n"]);
    expect(JSON.parse(end.lines[0] ?? "")).toEqual(value);
  });

  it("says once that its reader is gone, and writes nothing more", async () => {
    const end = output();
    let gone = 0;
    const pipe = new Pipe(end, () => {
      gone += 1;
    });
    end.isFull = true;
    const writing = pipe.write({ a: 1 });
    end.events.emit("error", new Error("EPIPE"));
    end.events.emit("error", new Error("EPIPE"));
    await writing;
    await pipe.write({ a: 2 });
    expect([gone, end.lines.length]).toEqual([1, 1]);
  });
});
