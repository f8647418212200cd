import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { cacheFolder } from "./cache-folder.ts";
import { LOG4J_CONFIG, findJava, kafkaJars } from "./kafka-jars.ts";

/** Stands between key and value; it is in neither. */
const SEPARATOR = "\u0001\u0001";

const TIMEOUT_MS = 30_000;

/** Kafka's own console producer, in Java, with its defaults: one keyed record for each. */
export async function runConsoleProducer(options: {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly records: readonly { readonly key: string; readonly value: string }[];
}): Promise<void> {
  const { brokers, topic, records } = options;
  const folder = cacheFolder();
  const java = await findJava(folder, () => undefined);
  const libs = await kafkaJars(folder, () => undefined);
  const args = ["-cp", join(libs, "*"), `-Dlog4j2.configurationFile=${LOG4J_CONFIG}`, "-Xmx128m"];
  args.push("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", brokers.join(","));
  args.push("--topic", topic, "--reader-property", "parse.key=true");
  args.push("--reader-property", `key.separator=${SEPARATOR}`);
  const child = spawn(java, args, { timeout: TIMEOUT_MS, killSignal: "SIGKILL" });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => (output += data.toString()));
  }
  child.stdin.end(records.map(({ key, value }) => `${key}${SEPARATOR}${value}\n`).join(""));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`the console producer ended with ${code}:\n${output}`);
}
