import type { DownFrame } from "@millrace/schemas";
import { FakeEdge, type FakeSocket, type Up } from "./fake-edge.ts";
import { at, msg } from "./frames.ts";

interface Line {
  readonly socket: FakeSocket;
  readonly subscriptions: Set<string>;
  isCut: boolean;
}

interface Stored {
  readonly key: string | undefined;
  readonly body: string;
}

/** An edge as the protocol describes it, with a log of its own and a way that takes its time. */
export class ModelEdge {
  readonly edge = new FakeEdge();
  readonly #wayMs: number;
  readonly #log = new Map<string, Stored[]>();
  #line: Line | undefined;
  /** While it is true, nobody who connects is spoken to. */
  isSilent = false;

  constructor(latencyMs: number) {
    this.#wayMs = latencyMs / 2;
    this.edge.onOpen = (socket) => this.#open(socket);
  }

  /** What the newest connection is subscribed to. */
  get subscriptions(): string[] {
    return [...(this.#line?.subscriptions ?? [])].toSorted();
  }

  bodies(conversation: string): string[] {
    return this.#logOf(conversation).map(({ body }) => body);
  }

  /** Somebody else publishes. */
  append(conversation: string, body: string, key?: string): number {
    const log = this.#logOf(conversation);
    log.push({ key, body });
    if (this.#line?.subscriptions.has(conversation) === true) {
      this.#tell(this.#line, this.#message(conversation, log.length));
    }
    return log.length;
  }

  /** What is on its way is lost, in both directions. */
  cut(): void {
    const line = this.#line;
    if (line === undefined || line.isCut) return;
    line.isCut = true;
    line.socket.end(1006);
  }

  #logOf(conversation: string): Stored[] {
    const log = this.#log.get(conversation) ?? [];
    this.#log.set(conversation, log);
    return log;
  }

  #open(socket: FakeSocket): void {
    const line: Line = { socket, subscriptions: new Set(), isCut: false };
    this.#line = line;
    socket.onMessage = (text) => {
      const parsed = JSON.parse(text) as Up | Up[];
      this.#later(line, () => {
        for (const frame of Array.isArray(parsed) ? parsed : [parsed]) this.#take(line, frame);
      });
    };
    if (!this.isSilent) this.#later(line, () => socket.welcome());
  }

  #later(line: Line, run: () => void): void {
    this.edge.clock.after(this.#wayMs, () => {
      if (!line.isCut && line.socket.closedByClient === undefined) run();
    });
  }

  #tell(line: Line, ...frames: DownFrame[]): void {
    this.#later(line, () => line.socket.deliver(...frames));
  }

  #take(line: Line, frame: Up): void {
    const { t, id = -1, c = "" } = frame;
    if (t === "ping") this.#tell(line, { t: "pong", serverTime: 0 });
    else if (t === "sub") this.#subscribe(line, frame);
    else if (t === "unsub") line.subscriptions.delete(c);
    else if (t === "ack") this.#tell(line, { t: "ackd", id, c, pos: frame.pos ?? "" });
    else if (t === "pub") this.#publish(line, frame);
  }

  #subscribe(line: Line, { id = -1, c = "", from }: Up): void {
    const { length } = this.#logOf(c);
    const after = typeof from === "object" && from !== null && "after" in from ? from.after : "";
    const start = from === "live" ? length : Number(String(after).split(".")[2] ?? 0);
    line.subscriptions.add(c);
    const missed = Array.from({ length: length - start }, (_, index) =>
      this.#message(c, start + 1 + index),
    );
    const head = at(length);
    this.#tell(line, { t: "subd", id, c, pos: at(start), head }, ...missed, {
      t: "live",
      c,
      pos: head,
    });
  }

  #publish(line: Line, { id = -1, c = "", key, body = "" }: Up): void {
    const known = this.#logOf(c).findIndex((stored) => stored.key === key) + 1;
    const place = known > 0 ? known : this.append(c, body, key);
    const answer = { t: "pubd", id, c, pos: at(place), ts: place } as const;
    this.#tell(line, known > 0 ? { ...answer, dup: true } : answer);
  }

  #message(c: string, place: number): DownFrame {
    const { key, body = "" } = this.#logOf(c)[place - 1] ?? {};
    return msg(place, { c, body, ...(key !== undefined && { key }) });
  }
}
