import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@millrace/runtime";
import {
  type Container,
  type NginxOptions,
  type NginxProgram,
  MissingPart,
  NGINX_WAYS,
  findNginx,
  isContainerEngineThere,
  startNginx,
  startNginxContainer,
} from "@millrace/testkit";
import { type LocalCertificate, ensureLocalCertificate } from "./local-certificate.ts";
import { type EdgePlace, portBeside } from "./places.ts";
import type { ReadyProxy } from "./ready-file.ts";
import { type Part, Supervised } from "./supervised.ts";

const PORT = 8443;
const TICKET_KEY_BYTES = 80;

/** What an edge believes the balancers of: they are on its own machine. */
export const PROXY_ADDRESS = "127.0.0.1";

export interface ProxyOptions {
  readonly count: number;
  readonly dataFolder: string;
  readonly edges: readonly EdgePlace[];
  readonly clock: Clock;
  readonly tell: (line: string) => void;
  readonly onBack: () => void;
  readonly dockerHost: string | undefined;
  readonly isPromised: (port: number) => boolean;
}

interface Running {
  readonly supervised?: Supervised<Part>;
  readonly container?: Container;
}

/** The load balancers of one product: each before all edges, with the same certificate. */
export class Proxies {
  readonly #options: ProxyOptions;
  readonly #program: NginxProgram | undefined;
  readonly #certificate: LocalCertificate;
  readonly #ports: readonly number[];
  readonly #running: Running[] = [];

  private constructor(
    options: ProxyOptions,
    found: { readonly program: NginxProgram | undefined; readonly ports: readonly number[] },
  ) {
    this.#options = options;
    this.#program = found.program;
    this.#ports = found.ports;
    this.#certificate = ensureLocalCertificate();
  }

  /** Before anything is started: what is missing is said at once, and the edges must know the ports. */
  static async prepare(options: ProxyOptions): Promise<Proxies> {
    const program = await findNginx();
    if (program === undefined) await refuseWithoutEngine(options.dockerHost);
    const ports: number[] = [];
    while (ports.length < options.count) {
      const isMine = (port: number): boolean => ports.includes(port) || options.isPromised(port);
      ports.push(await portBeside(PORT + ports.length, isMine));
    }
    return new Proxies(options, { program, ports });
  }

  /** As browsers name pages that are served through them. */
  get origins(): string[] {
    return this.#ports.flatMap((port) => [
      `https://127.0.0.1:${port}`,
      `https://localhost:${port}`,
    ]);
  }

  isPromised(port: number): boolean {
    return this.#ports.includes(port);
  }

  async start(): Promise<void> {
    const ticketKeyFile = join(this.#options.dataFolder, "proxy", "tickets");
    mkdirSync(join(this.#options.dataFolder, "proxy"), { recursive: true });
    // A new one for each start of the product: what was sealed with the old one is not opened again.
    writeFileSync(ticketKeyFile, randomBytes(TICKET_KEY_BYTES), { mode: 0o600 });
    await Promise.all(
      this.#ports.map(async (port, index) => {
        this.#running[index] = await this.#launch(`proxy-${index + 1}`, {
          ...this.#shared(ticketKeyFile),
          folder: join(this.#options.dataFolder, "proxy", String(index + 1)),
          port,
        });
      }),
    );
  }

  /** For the ready file. */
  get ready(): ReadyProxy[] {
    return this.#ports.map((port, index) => {
      const pid = this.#running[index]?.supervised?.current.pid;
      const ws = `wss://127.0.0.1:${port}/v1/connect`;
      return { ws, caFile: this.#certificate.caFile, ...(pid !== undefined && { pid }) };
    });
  }

  async stop(graceMs: number): Promise<void> {
    await Promise.all(
      this.#running.map(async ({ supervised, container }) => {
        await supervised?.stop(graceMs);
        await container?.stop();
      }),
    );
  }

  async #launch(name: string, options: NginxOptions): Promise<Running> {
    const { clock, tell, onBack } = this.#options;
    const program = this.#program;
    if (program === undefined) return { container: await startNginxContainer(options) };
    const launch = (): Promise<Part> => startNginx(program, options);
    return { supervised: await Supervised.start({ name, launch, clock, tell, onBack }) };
  }

  #shared(ticketKeyFile: string): Omit<NginxOptions, "folder" | "port"> {
    const { serverFile, authority } = this.#certificate;
    const edges = this.#options.edges.map(({ port }) => `127.0.0.1:${port}`);
    return { edges, certificateFile: serverFile, keyFile: serverFile, ticketKeyFile, authority };
  }
}

/** A container reaches edges on our loopback only where both have the same network: on Linux. */
async function refuseWithoutEngine(dockerHost: string | undefined): Promise<void> {
  if (process.platform === "linux" && (await isContainerEngineThere(dockerHost))) return;
  throw new MissingPart("--proxy needs nginx 1.18 or newer, and none was found:", NGINX_WAYS);
}
