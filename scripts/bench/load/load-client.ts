import { type Socket, connect } from "node:net";
import {
  OPCODE,
  PONG,
  headerBytes,
  payloadBytes,
  textFrame,
  upgradeRequest,
} from "./client-framing.ts";
import { nowUs } from "./monotonic.ts";
import {
  FIRST_ID,
  conversationName,
  publishText,
  pubdId,
  stampOf,
  writeId,
  writeKey,
} from "./stamped-frame.ts";
import type { Tally } from "./tally.ts";
import { ToldPosition } from "./told-position.ts";

export interface LoadPlace {
  readonly host: string;
  readonly port: number;
  /** The source address, so that many connections don't share one address's ports. */
  readonly localAddress: string;
}

export interface LoadClientOptions {
  readonly index: number;
  readonly place: LoadPlace;
  readonly token: string;
  /** Index of its conversation; undefined: it has none. */
  readonly conversation: number | undefined;
  readonly subscribes: boolean;
  readonly checksPrev: boolean;
  readonly hasKeys: boolean;
  readonly acknowledges: boolean;
  readonly keepsKeys: boolean;
  readonly tally: Tally;
}

interface Down {
  readonly t: string;
  readonly pos?: string;
  readonly code?: string;
  readonly message?: string;
}

/** One read buffer for all sockets of the process: each read is dealt with before the next. */
const readBuffer = Buffer.alloc(262_144);

const IN_FLIGHT_MAX = 1_024;
const HANDSHAKE_END = "\r\n\r\n";
const NEXT_IN_BATCH = '},{"t":"';
const BRACE = 123;
const BRACKET = 91;
/** The letter of `t` by which a frame is told apart: `{"t":"m`. */
const KIND_AT = 6;
const M = 109;
const P = 112;
/** `{"t":"msg","c":"` and `","pos":"`, around the conversation. */
const POSITION_AT = 16 + 9;

/** A chat client that knows only where frames end, and when each message was meant to be sent. */
export class LoadClient {
  readonly index: number;
  readonly told = new ToldPosition();
  /** Keys of acknowledged publishes, where they are wanted. */
  readonly acknowledgedKeys: string[] = [];
  isLive = false;
  handshakeUs = 0;
  liveUs = 0;
  readonly #options: LoadClientOptions;
  readonly #tally: Tally;
  #socket: Socket | undefined;
  #rest: Buffer | undefined;
  #isOpen = false;
  #publish: { readonly frame: Buffer; readonly idAt: number; readonly keyAt: number } | undefined;
  #nextId = FIRST_ID;
  #count = 0;
  readonly #positionAt: number;
  #intendedUs: Float64Array | undefined;
  #keys: string[] | undefined;
  #settle: ((problem: string | undefined) => void) | undefined;

  constructor(options: LoadClientOptions) {
    this.index = options.index;
    this.#options = options;
    this.#tally = options.tally;
    this.#positionAt = POSITION_AT + conversationName(0).length;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get #isSubscriber(): boolean {
    const { conversation, subscribes } = this.#options;
    return subscribes && conversation !== undefined;
  }

  /** Resolves when it is live, or welcome where it subscribes to nothing; else with what failed. */
  open(after?: string): Promise<string | undefined> {
    const { host, port, localAddress } = this.#options.place;
    this.isLive = false;
    this.#rest = undefined;
    const opened = new Promise<string | undefined>((resolve) => {
      this.#settle = resolve;
    });
    const callback = (length: number): boolean => this.#take(length);
    const socket = connect({ host, port, localAddress, onread: { buffer: readBuffer, callback } });
    socket.setNoDelay(true);
    socket.on("error", (error) => {
      if (socket === this.#socket) this.#settled(error.message);
    });
    socket.on("close", () => this.#closed(socket));
    socket.write(upgradeRequest({ host, port, token: this.#options.token }), "latin1");
    if (after !== undefined) this.told.tell(after);
    this.#socket = socket;
    return opened;
  }

  /** As a network that goes away. */
  cut(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isOpen = false;
    socket?.destroy();
  }

  publish(intendedUs: number): void {
    this.#publish ??= this.#template();
    this.#intendedUs ??= new Float64Array(IN_FLIGHT_MAX);
    const { frame, idAt, keyAt } = this.#publish;
    const copy = Buffer.from(frame);
    const id = this.#nextId++;
    writeId(copy, idAt, id);
    writeKey(copy, keyAt, { stampUs: intendedUs, client: this.index, count: this.#count++ });
    this.#intendedUs[id % IN_FLIGHT_MAX] = intendedUs;
    if (this.#keys !== undefined) {
      this.#keys[id % IN_FLIGHT_MAX] = copy.toString("latin1", keyAt, copy.length - 2);
    }
    this.#tally.sent++;
    this.#tally.lateness.record(nowUs() - intendedUs);
    this.#socket?.write(copy);
  }

  #template() {
    if (this.#options.keepsKeys) this.#keys = [];
    const { text, idAt, keyAt } = publishText(conversationName(this.#options.conversation ?? 0), {
      hasKey: this.#options.hasKeys,
    });
    const frame = textFrame(text);
    const header = frame.length - text.length;
    return { frame, idAt: idAt + header, keyAt: keyAt + header };
  }

  #closed(socket: Socket): void {
    // One that was cut is no loss of the other side's.
    if (socket !== this.#socket) return;
    this.#isOpen = false;
    this.isLive = false;
    this.#tally.closes++;
    this.#settled("closed");
  }

  #settled(problem: string | undefined): void {
    this.#settle?.(problem);
    this.#settle = undefined;
  }

  #take(length: number): boolean {
    const atUs = nowUs();
    let bytes = readBuffer;
    let end = length;
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, readBuffer.subarray(0, length)]);
      end = bytes.length;
      this.#rest = undefined;
    }
    let at = this.#isOpen ? 0 : this.#handshake(bytes, end, atUs);
    while (this.#isOpen && at < end) {
      const header = headerBytes(bytes, at, end);
      const next = header === 0 ? end + 1 : at + header + payloadBytes(bytes, at);
      if (next > end) break;
      this.#frame(bytes, { opcode: (bytes[at] ?? 0) & 15, start: at + header, end: next, atUs });
      at = next;
    }
    if (at < end) this.#rest = Buffer.from(bytes.subarray(at, end));
    return true;
  }

  #handshake(bytes: Buffer, end: number, atUs: number): number {
    const head = bytes.subarray(0, end).indexOf(HANDSHAKE_END);
    if (head < 0) return 0;
    const status = bytes.toString("latin1", 9, 12);
    if (status !== "101") {
      this.#settled(bytes.toString("latin1", 0, Math.min(end, 400)));
      this.cut();
      return end;
    }
    this.#isOpen = true;
    this.handshakeUs = atUs;
    const { conversation, subscribes } = this.#options;
    if (subscribes && conversation !== undefined) this.#subscribe(conversation);
    return head + HANDSHAKE_END.length;
  }

  #subscribe(conversation: number): void {
    const after = this.told.text;
    const from = after === "" ? "live" : { after };
    const frame = { t: "sub", id: this.#nextId++, c: conversationName(conversation), from };
    this.#socket?.write(textFrame(JSON.stringify(frame)));
  }

  #frame(
    bytes: Buffer,
    place: {
      readonly opcode: number;
      readonly start: number;
      readonly end: number;
      readonly atUs: number;
    },
  ): void {
    const { opcode, start, end, atUs } = place;
    if (opcode === OPCODE.ping) this.#socket?.write(PONG);
    if (opcode === OPCODE.close) this.#refused(closeReason(bytes, start, end));
    if (opcode !== OPCODE.text) return;
    if (bytes[start] === BRACE) return this.#item(bytes, start, end, atUs);
    if (bytes[start] !== BRACKET) return this.#tally.error("neither a frame nor a batch");
    let at = start + 1;
    while (at < end) {
      const found = bytes.indexOf(NEXT_IN_BATCH, at);
      const itemEnd = found < 0 || found >= end ? end - 1 : found + 1;
      this.#item(bytes, at, itemEnd, atUs);
      at = itemEnd + 1;
    }
  }

  #item(bytes: Buffer, start: number, end: number, atUs: number): void {
    const kind = bytes[start + KIND_AT];
    if (kind === M) this.#message(bytes, start, end, atUs);
    else if (kind === P && bytes[start + KIND_AT + 1] === 117)
      this.#acknowledged(bytes, start, atUs);
    else this.#other(JSON.parse(bytes.toString("utf8", start, end)) as Down, atUs);
  }

  #message(bytes: Buffer, start: number, end: number, atUs: number): void {
    const tally = this.#tally;
    tally.received++;
    const latencyUs = atUs - stampOf(bytes, end);
    if (latencyUs >= 0) tally.latency.record(latencyUs);
    else tally.error("a message without a stamp");
    const { checksPrev, acknowledges } = this.#options;
    if (!checksPrev && !acknowledges) return;
    const isNext = this.told.follow(bytes, start + this.#positionAt);
    if (checksPrev && !isNext) tally.brokenPrevs++;
    if (acknowledges) this.#acknowledge();
  }

  #acknowledge(): void {
    const c = conversationName(this.#options.conversation ?? 0);
    this.#socket?.write(textFrame(`{"t":"ack","c":"${c}","pos":"${this.told.text}"}`));
  }

  #acknowledged(bytes: Buffer, start: number, atUs: number): void {
    const slot = pubdId(bytes, start) % IN_FLIGHT_MAX;
    this.#tally.acknowledged++;
    this.#tally.acknowledgement.record(atUs - (this.#intendedUs?.[slot] ?? Number.NaN));
    const key = this.#keys?.[slot];
    if (key !== undefined) this.acknowledgedKeys.push(key);
  }

  #other(frame: Down, atUs: number): void {
    const { t, pos } = frame;
    if (t === "err") this.#refused(`${frame.code}: ${frame.message}`);
    else if (t === "welcome" && !this.#isSubscriber) this.#settled(undefined);
    else if (t === "gap") this.#tally.error("a gap was told");
    if (pos !== undefined && (t === "subd" || t === "live" || t === "gap")) this.told.tell(pos);
    if (t !== "live") return;
    this.isLive = true;
    this.liveUs = atUs;
    this.#settled(undefined);
  }

  #refused(why: string): void {
    this.#tally.error(why);
    if (!this.isLive) this.#settled(why);
  }
}

function closeReason(bytes: Buffer, start: number, end: number): string {
  if (end - start < 2) return "closed without a code";
  return `closed with ${bytes.readUInt16BE(start)} ${bytes.toString("utf8", start + 2, end)}`;
}
