import type { TcpNetConnectOpts, createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { waitFor } from "@millrace/testkit";
import { WebSocket } from "ws";
import { pacedLine } from "./paced-line.ts";

/** A frame of the server, as it came. */
export interface DownJson {
  readonly t: string;
  readonly id?: number;
  readonly c?: string;
  readonly pos?: string;
  readonly prev?: string;
  readonly after?: string;
  readonly body?: string;
  readonly from?: string;
  readonly key?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly type?: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly retryMs?: number;
  readonly unknown?: boolean;
  readonly dup?: boolean;
  readonly to?: string;
  readonly ref?: string;
  readonly session?: string;
  readonly conn?: string;
  readonly resumed?: boolean;
  readonly restored?: boolean;
  readonly ts?: number;
}

/** What a line that just broke counts as. */
const NO_ROOM = 503;
const NO_CLOSE_FRAME = 1006;

export interface RawClientOptions {
  readonly url: string;
  readonly token: string;
  readonly device?: string;
  /** More of the query. */
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** It takes no more from its line. */
  readonly bytesPerSec?: number;
  /** PEM of who has signed the certificate of what stands before the edges. */
  readonly ca?: string;
}

/**
 * A client written from docs/protocol.md alone, on a real socket. It holds the server to the rule of
 * continuity on every frame and keeps what it was told.
 */
export class RawClient {
  readonly #socket: WebSocket;
  readonly frames: DownJson[] = [];
  /** The first frame that did not continue what was told before. */
  offence: string | undefined;
  closeCode: number | undefined;
  /** The HTTP status instead of the 101. */
  refusal: number | undefined;
  /** `Retry-After` of that status, in seconds. */
  retryAfterS: number | undefined;
  /** How long each message took whose body says when it was sent, by this process's clock. */
  readonly delaysMs: number[] = [];
  /** What still arrives is ignored. */
  isDeaf = false;
  readonly #told = new Map<string, string>();
  #nextId = 1;

  private constructor(options: RawClientOptions) {
    const { url, token, device, query: more, bytesPerSec, ca } = options;
    const query = new URLSearchParams({ ...(device !== undefined && { device }), ...more });
    const headers = { authorization: `Bearer ${token}`, ...options.headers };
    this.#socket = new WebSocket(`${url}?${query}`, ["millrace.v1.json"], {
      headers,
      ...(ca !== undefined && { ca }),
      ...(bytesPerSec !== undefined && { createConnection: pacedBy(bytesPerSec) }),
    });
    this.#socket.on("error", () => undefined);
    this.#socket.on("unexpected-response", (_, response) => {
      this.refusal = response.statusCode;
      const retryAfter = response.headers["retry-after"];
      if (retryAfter !== undefined) this.retryAfterS = Number(retryAfter);
      this.#socket.terminate();
    });
    this.#socket.on("message", (data: Buffer) => this.#take(data.toString()));
    this.#socket.on("close", (code) => {
      this.closeCode = code;
    });
  }

  /** Resolves with the welcome, or whatever else it came to. */
  static async attempt(options: RawClientOptions): Promise<RawClient> {
    const client = new RawClient(options);
    await waitFor(() => client.frames.length > 0 || client.closeCode !== undefined, {
      what: "a welcome",
    });
    return client;
  }

  /** Resolves with the welcome; an edge that has no room at the moment (503) is asked again. */
  static async open(options: RawClientOptions): Promise<RawClient> {
    const client = await waitFor(
      async () => {
        const attempt = await RawClient.attempt(options);
        return attempt.refusal === NO_ROOM ? undefined : attempt;
      },
      { what: "room on the edge" },
    );
    if (client.frames[0]?.t !== "welcome") {
      throw new Error(`the server did not welcome: ${client.refusal ?? client.closeCode}`);
    }
    return client;
  }

  send(frame: object): void {
    this.sendText(JSON.stringify(frame));
  }

  /** Whatever the text, or the bytes, may be. */
  sendText(text: string | Buffer): void {
    this.#socket.send(text);
  }

  /** The answer with the id that the request is given here. */
  async request(frame: object): Promise<DownJson> {
    const id = this.#nextId++;
    this.send({ ...frame, id });
    return this.next((answer) => answer.id === id, `the answer to request ${id}`);
  }

  /** The first frame that fits, also one that has come already; none comes after the server's close. */
  next(fits: (frame: DownJson) => boolean, what: string): Promise<DownJson> {
    const found = (): DownJson | undefined => {
      const frame = this.frames.find(fits);
      const code = this.closeCode ?? NO_CLOSE_FRAME;
      if (frame === undefined && code !== NO_CLOSE_FRAME) {
        throw new Error(`closed with ${code} before ${what}`);
      }
      return frame;
    };
    return waitFor(found, { what });
  }

  messages(conversation: string): DownJson[] {
    return this.frames.filter(({ t, c }) => t === "msg" && c === conversation);
  }

  bodies(conversation: string): string[] {
    return this.messages(conversation).map(({ body }) => body ?? "");
  }

  /** Where a resume begins. */
  position(conversation: string): string | undefined {
    return this.#told.get(conversation);
  }

  /** Reads nothing any more, so that the kernel's buffers fill on both sides. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** With a close frame; the answer to it comes as `closeCode`. */
  close(code: number): void {
    this.#socket.close(code);
  }

  /** As a network that goes away: no close frame. */
  terminate(): void {
    this.#socket.terminate();
  }

  #take(text: string): void {
    if (this.isDeaf) return;
    const parsed = JSON.parse(text) as DownJson | DownJson[];
    for (const frame of Array.isArray(parsed) ? parsed : [parsed]) {
      this.frames.push(frame);
      this.#follow(frame);
      const sentAtMs =
        frame.t === "msg" ? /^sent ([\d.]+)$/.exec(frame.body ?? "")?.[1] : undefined;
      if (sentAtMs !== undefined) this.delaysMs.push(performance.now() - Number(sentAtMs));
    }
  }

  #follow(frame: DownJson): void {
    const { t, c, pos, prev, after } = frame;
    if (c === undefined || pos === undefined) return;
    const told = this.#told.get(c);
    const begins = t === "msg" ? prev : after;
    if ((t === "msg" || t === "gap") && begins !== told) {
      this.offence ??= `${JSON.stringify(frame)} does not continue ${told}`;
    }
    if (t === "subd" || t === "msg" || t === "gap" || t === "live") this.#told.set(c, pos);
  }
}

/** The library wants a function that answers with a socket, and is content with any stream. */
function pacedBy(bytesPerSec: number): typeof createConnection {
  const paced = (options: TcpNetConnectOpts): Duplex => pacedLine(options, bytesPerSec);
  return paced as unknown as typeof createConnection;
}
