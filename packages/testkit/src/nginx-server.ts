import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CertificateAuthority } from "./certificate-authority.ts";
import { type Child, outputTail } from "./child.ts";
import { freePort } from "./free-port.ts";
import { MissingPart } from "./missing-part.ts";
import {
  NGINX_WAYS,
  type NginxOptions,
  type NginxProgram,
  findNginx,
  startNginx,
  writeNginxConfig,
} from "./nginx-process.ts";
import { waitFor } from "./wait-for.ts";

export interface NginxServerOptions {
  readonly edges: readonly string[];
  readonly trustedHops?: readonly string[];
  readonly shutdownS?: number;
  /** Whose certificates it shows; balancers that clients take for one another share it. */
  readonly authority?: CertificateAuthority;
}

/** A real load balancer of a test's own, which it may reload, kill and start again. */
export class NginxServer {
  /** PEM, for whoever shall trust it. */
  readonly authority: string;
  readonly folder: string;
  #options: NginxOptions;
  readonly #program: NginxProgram;
  #child: Child | undefined;

  private constructor(options: NginxOptions, program: NginxProgram) {
    this.#options = options;
    this.#program = program;
    this.authority = options.authority;
    this.folder = options.folder;
  }

  static async start(options: NginxServerOptions): Promise<NginxServer> {
    const program = await findNginx();
    if (program === undefined) throw new MissingPart("nginx is needed:", NGINX_WAYS);
    const folder = mkdtempSync(join(tmpdir(), "millrace-nginx-"));
    const { authority = new CertificateAuthority("test authority"), ...given } = options;
    const { chain, key } = authority.issue("localhost");
    const file = (name: string): string => join(folder, name);
    writeFileSync(file("server.pem"), `${key}${chain}`, { mode: 0o600 });
    writeFileSync(file("tickets"), randomBytes(80), { mode: 0o600 });
    const server = new NginxServer(
      {
        ...given,
        folder,
        port: await freePort(),
        certificateFile: file("server.pem"),
        keyFile: file("server.pem"),
        ticketKeyFile: file("tickets"),
        authority: authority.certificate,
      },
      program,
    );
    await server.restart();
    return server;
  }

  get port(): number {
    return this.#options.port;
  }

  get http(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  get ws(): string {
    return `wss://127.0.0.1:${this.port}/v1/connect`;
  }

  /** Of the master. */
  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** A line for each request that is over, as JSON. */
  get accessLog(): string {
    return readFileSync(join(this.folder, "access.log"), "utf8");
  }

  get output(): string {
    return outputTail(join(this.folder, "nginx.log"), 1_000);
  }

  async restart(): Promise<void> {
    this.#child = await startNginx(this.#program, this.#options);
  }

  /** HUP: new workers for those who come, also with other edges; the old ones keep their clients. */
  async reload(edges = this.#options.edges): Promise<void> {
    this.#options = { ...this.#options, edges };
    writeNginxConfig(this.#options);
    const before = this.workers;
    this.#child?.signal("SIGHUP");
    const areNew = (): boolean => this.workers.some((pid) => !before.includes(pid));
    await waitFor(areNew, { what: "nginx has new workers" });
  }

  /** The pids of all workers, also those that only keep what they have. */
  get workers(): number[] {
    const file = `/proc/${this.pid}/task/${this.pid}/children`;
    return readFileSync(file, "utf8").split(" ").map(Number).filter(Boolean);
  }

  /** kill -9 of the master and all its workers. */
  async kill(): Promise<void> {
    this.#child?.signal("SIGKILL");
    await this.#child?.exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
