import { WebSocket } from "ws";
import { signToken } from "../../token.mjs";
import { spanBetween } from "../stage/process-meter.ts";
import type { Scenario } from "./measured.ts";

const READERS = 200;
const MESSAGES = { full: 2_000, quick: 500 } as const;
const AT_ONCE = 20;
const ROOM = "room:compression";
const POLL_MS = 5;

interface Reader {
  readonly socket: WebSocket;
  readonly bytesRead: () => number;
  readonly received: () => number;
}

interface Cost {
  readonly bytes: number;
  readonly cpuMicroseconds: number;
}

/** What a delivery costs in bytes and CPU of the edge, without and with permessage-deflate. */
export function compression(name: string): Scenario {
  return async (bench, variant) => {
    const whole = await costOf(bench, { ...variant.env, EDGE_COMPRESSING: "false" });
    const small = await costOf(bench, { ...variant.env, EDGE_COMPRESSING: "true" });
    return {
      scenario: name,
      variant: variant.name,
      more: {
        "bytes per delivery, plain": whole.bytes,
        "bytes per delivery, compressed": small.bytes,
        "bytes, ratio": small.bytes / whole.bytes,
        "µs CPU per delivery, plain": whole.cpuMicroseconds,
        "µs CPU per delivery, compressed": small.cpuMicroseconds,
        "CPU, ratio": small.cpuMicroseconds / whole.cpuMicroseconds,
      },
      notes: [`${READERS} readers of one conversation; bodies of a few sentences`],
    };
  };
}

async function costOf(
  { stage, isQuick, scale }: Parameters<Scenario>[0],
  env: Readonly<Record<string, string>>,
): Promise<Cost> {
  const served = await stage.edge(env);
  const count = Math.ceil((isQuick ? MESSAGES.quick : MESSAGES.full) * scale);
  const readers: Reader[] = [];
  try {
    const { issuerFolder } = stage;
    const tokenOf = (user: string): string => signToken({ user, issuerFolder });
    for (let index = 0; index < Math.ceil(READERS * scale); index++) {
      readers.push(await openReader(served.port, tokenOf(`reader-${index}`)));
    }
    const writer = await openReader(served.port, tokenOf("writer"));
    readers.push(writer);
    const bytesBefore = sumOf(readers, "bytesRead");
    const before = stage.meter.read();
    for (let sent = 0; sent < count; sent += AT_ONCE) {
      for (let index = sent; index < sent + AT_ONCE; index++) {
        writer.socket.send(JSON.stringify({ t: "pub", c: ROOM, body: bodyOf(index) }));
      }
      await until(() => readers.every(({ received }) => received() >= sent + AT_ONCE));
    }
    const span = spanBetween(before, stage.meter.read());
    const deliveries = count * readers.length;
    return {
      bytes: (sumOf(readers, "bytesRead") - bytesBefore) / deliveries,
      cpuMicroseconds: ((span.cpu.get("edge") ?? 0) * span.seconds * 1e6) / deliveries,
    };
  } finally {
    for (const { socket } of readers) socket.terminate();
    await served.kill();
  }
}

/** Offers permessage-deflate, as browsers do, and is subscribed. */
async function openReader(port: number, token: string): Promise<Reader> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/connect`, ["millrace.v1.json"], {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: true,
  });
  const raw: { socket?: { readonly bytesRead: number } } = {};
  let received = 0;
  let isLive = false;
  socket.on("upgrade", (response) => {
    raw.socket = response.socket;
  });
  socket.on("message", (data: Buffer) => {
    const text = data.toString();
    received += text.split('"t":"msg"').length - 1;
    isLive ||= text.includes('"t":"live"');
  });
  socket.on("open", () => {
    socket.send(JSON.stringify({ t: "sub", id: 1, c: ROOM, from: "live" }));
  });
  await until(() => isLive);
  return { socket, bytesRead: () => raw.socket?.bytesRead ?? 0, received: () => received };
}

/** Different sentences, with the words that people use again and again. */
function bodyOf(index: number): string {
  const words = ["the", "server", "that", "we", "had", "is", "back", "again", "and", "fine", "now"];
  const sentence = Array.from(
    { length: 40 },
    (_, at) => words[(index * 7 + at * at) % words.length],
  );
  return `${index}: ${sentence.join(" ")}`;
}

function sumOf(readers: readonly Reader[], what: "bytesRead"): number {
  return readers.reduce((sum, reader) => sum + reader[what](), 0);
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}
