import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Child, orEnd, outputTail, startChild } from "./child.ts";
import { waitFor } from "./wait-for.ts";

const run = promisify(execFile);
const TEMPLATE = fileURLToPath(
  new URL("../../../infra/nginx/nginx.conf.template", import.meta.url),
);
const ANSWER_MS = 1_000;

/** Debian puts it where users have no path; Homebrew has two places. */
const PLACES = [
  "nginx",
  "/usr/sbin/nginx",
  "/usr/local/sbin/nginx",
  "/usr/local/bin/nginx",
  "/opt/homebrew/bin/nginx",
];

/** The oldest that knows all of the template, and the first that takes `-e`. */
const VERSION_MIN = [1, 18, 0] as const;
const ERROR_OPTION_MIN = [1, 19, 5] as const;
const MODULES = ["--with-http_ssl_module", "--with-http_realip_module"];

export const NGINX_WAYS = [
  "Debian, Ubuntu: apt-get install nginx-light",
  "macOS: brew install nginx",
  "Docker on Linux: a running engine; the image nginx is used",
] as const;

export interface NginxProgram {
  readonly command: string;
  readonly version: string;
  /** It may be told on its command line where to complain; else it also tries the system's log. */
  readonly takesErrorLog: boolean;
}

/** What the template is filled with, and where everything of this one balancer is kept. */
export interface NginxOptions {
  readonly folder: string;
  readonly port: number;
  /** `host:port` of each edge. */
  readonly edges: readonly string[];
  readonly certificateFile: string;
  readonly keyFile: string;
  /** 80 random bytes that all balancers share. */
  readonly ticketKeyFile: string;
  /** PEM of who has signed the certificate, for asking whether it serves. */
  readonly authority: string;
  /** Hops whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustedHops?: readonly string[];
  /** For how long old workers keep their clients after a reload. */
  readonly shutdownS?: number;
  readonly workers?: number;
}

const SHUTDOWN_S = 3_600;
const WORKERS = 2;
const CONNECTIONS = 16_384;
const FILES = 20_000;

/** An nginx that is new enough and has the modules that the template needs. */
export async function findNginx(): Promise<NginxProgram | undefined> {
  for (const command of PLACES) {
    try {
      // It tells on standard error.
      const { stderr } = await run(command, ["-V"]);
      const version = /nginx version: nginx\/(\d+\.\d+\.\d+)/.exec(stderr)?.[1] ?? "";
      const isFit =
        isAtLeast(version, VERSION_MIN) && MODULES.every((name) => stderr.includes(name));
      if (isFit) return { command, version, takesErrorLog: isAtLeast(version, ERROR_OPTION_MIN) };
    } catch {
      // Not there: the next place.
    }
  }
  return undefined;
}

function isAtLeast(version: string, wanted: readonly number[]): boolean {
  const parts = version.split(".").map(Number);
  for (const [index, min] of wanted.entries()) {
    const part = parts[index] ?? 0;
    if (part !== min) return part > min;
  }
  return true;
}

/** Writes the configuration into the folder and answers its path. */
export function writeNginxConfig(options: NginxOptions): string {
  const { folder, edges, trustedHops = [], shutdownS = SHUTDOWN_S } = options;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "nginx.conf");
  const values: Readonly<Record<string, string>> = {
    PROXY_WORKERS: String(options.workers ?? WORKERS),
    PROXY_CONNECTIONS: String(CONNECTIONS),
    PROXY_FILES: String(FILES),
    PROXY_SHUTDOWN: `${shutdownS}s`,
    PROXY_FOLDER: folder,
    PROXY_LOG: join(folder, "access.log"),
    PROXY_RESOLVER: "",
    PROXY_EDGES: edges.map((edge) => `server ${edge} max_fails=0;`).join("\n    "),
    PROXY_LISTEN: `127.0.0.1:${options.port}`,
    PROXY_CERTIFICATE: options.certificateFile,
    PROXY_KEY: options.keyFile,
    PROXY_TICKET_KEY: options.ticketKeyFile,
    PROXY_TRUSTED_HOPS: trustedHops.map((hop) => `set_real_ip_from ${hop};`).join("\n    "),
  };
  writeFileSync(file, fillIn(readFileSync(TEMPLATE, "utf8"), values));
  return file;
}

/** As `envsubst` does it, apart from a value that nobody gave: that is a mistake. */
function fillIn(template: string, values: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\$\{(PROXY_\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the template of nginx wants ${name}`);
    return value;
  });
}

/** Starts it in the foreground, as whoever starts us, and resolves when it serves. */
export async function startNginx(program: NginxProgram, options: NginxOptions): Promise<Child> {
  const { folder, port, authority } = options;
  const config = writeNginxConfig(options);
  const outputFile = join(folder, "nginx.log");
  const child = startChild({
    command: program.command,
    args: nginxArguments({ folder, config, takesErrorLog: program.takesErrorLog }),
    outputFile,
    // A master that is killed leaves its workers, and they keep the port.
    isFamily: true,
  });
  const answers = waitFor(
    () => {
      if (child.hasExited) throw new Error(`nginx ended at its start:\n${outputTail(outputFile)}`);
      return answersNginx(port, authority);
    },
    { what: `nginx answers on port ${port} (see ${outputFile})` },
  );
  await orEnd(child, answers);
  return child;
}

export function nginxArguments(options: {
  readonly folder: string;
  readonly config: string;
  readonly takesErrorLog: boolean;
}): string[] {
  const { folder, config, takesErrorLog } = options;
  const errors = takesErrorLog ? ["-e", "stderr"] : [];
  return ["-p", folder, "-c", config, ...errors, "-g", "daemon off;"];
}

/** A balancer there lives; it asks no edge for that. */
export function answersNginx(port: number, authority: string): Promise<boolean> {
  return new Promise((resolve) => {
    const place = { host: "127.0.0.1", port, path: "/healthz", ca: authority, agent: false };
    const asking = request({ ...place, timeout: ANSWER_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asking.once("timeout", () => asking.destroy());
    asking.once("error", () => resolve(false));
    asking.once("close", () => resolve(false));
    asking.end();
  });
}
