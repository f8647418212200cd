import { type Server, type Socket, connect, createServer } from "node:net";

/** `up` is from the client to the target, `down` is back. */
export type Direction = "up" | "down";

/**
 * Sees each piece of data, and on which connection (numbered from 0), before it is passed on; `cut`
 * resets that connection instead.
 */
export type Inspect = (
  data: Buffer,
  direction: Direction,
  connection: number,
) => "pass" | "cut" | "swallow";

interface Link {
  readonly number: number;
  readonly client: Socket;
  readonly target: Socket;
}

/**
 * A TCP proxy on loopback that misbehaves on request: it delays, cuts with RST, swallows without a
 * word, holds one direction back, refuses. Order of bytes within a direction is always kept.
 */
export class TcpProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #held = new Map<Direction, (() => void)[]>();
  #targetPort: number;
  #accepted = 0;
  #delayMs = 0;
  #isRefusing = false;
  #inspect: Inspect = () => "pass";

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer({ pauseOnConnect: false }, (client) => this.#accept(client));
  }

  static async start(options: { readonly targetPort: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy(options.targetPort);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return address.port;
  }

  /** How many connections were made until now. */
  get accepted(): number {
    return this.#accepted;
  }

  get connections(): number {
    return this.#links.size;
  }

  /** For connections made from now on. */
  aimAt(targetPort: number): void {
    this.#targetPort = targetPort;
  }

  /** Adds to each direction's way. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  inspect(inspect: Inspect | undefined): void {
    this.#inspect = inspect ?? (() => "pass");
  }

  /** New connections are reset; with false they are let through again. */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
  }

  /** RST to both ends of every connection. */
  cutAll(): void {
    for (const link of this.#links) this.#cut(link);
  }

  /** Keeps that direction's data until `release`. */
  hold(direction: Direction): void {
    if (!this.#held.has(direction)) this.#held.set(direction, []);
  }

  release(direction: Direction): void {
    const waiting = this.#held.get(direction) ?? [];
    this.#held.delete(direction);
    for (const pass of waiting) pass();
  }

  async close(): Promise<void> {
    this.cutAll();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    client.on("error", () => undefined);
    if (this.#isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const target = connect({ port: this.#targetPort, host: "127.0.0.1" });
    target.on("error", () => undefined);
    client.setNoDelay(true);
    target.setNoDelay(true);
    const link = { number: this.#accepted++, client, target };
    this.#links.add(link);
    this.#join(link, "up");
    this.#join(link, "down");
  }

  #join(link: Link, direction: Direction): void {
    const [from, to] = direction === "up" ? [link.client, link.target] : [link.target, link.client];
    from.on("data", (data: Buffer) => {
      const verdict = this.#inspect(data, direction, link.number);
      if (verdict === "cut") this.#cut(link);
      else if (verdict === "pass") this.#pass(direction, () => to.write(data));
    });
    from.on("end", () => this.#pass(direction, () => to.end()));
    from.on("close", () => {
      this.#links.delete(link);
      if (from.errored !== null) this.#cut(link);
    });
  }

  #pass(direction: Direction, pass: () => void): void {
    const deliver = (): void => {
      const held = this.#held.get(direction);
      if (held === undefined) pass();
      else held.push(pass);
    };
    if (this.#delayMs > 0) setTimeout(deliver, this.#delayMs);
    else deliver();
  }

  #cut(link: Link): void {
    this.#links.delete(link);
    for (const socket of [link.client, link.target]) {
      if (!socket.destroyed) socket.resetAndDestroy();
    }
  }
}
