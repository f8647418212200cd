import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, pythonEnvironment } from "@millrace/testkit";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FOLDER = join(ROOT, "services", "tap", "reference");

/** How a program of the reference is run: an analyst's own, in Python, on the schema files. */
export interface ReferenceCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Prepares Python at the first time; rejects with what is missing. */
export async function referenceCommand(
  script: "read" | "write",
  options: {
    readonly brokers: readonly string[];
    readonly topic: string;
    readonly more?: readonly string[];
    readonly tell: (line: string) => void;
  },
): Promise<ReferenceCommand> {
  const { brokers, topic, more = [], tell } = options;
  const { python, env } = await pythonEnvironment({
    requirements: join(FOLDER, "requirements.txt"),
    cacheFolder: cacheFolder(),
    tell,
  });
  const place = ["--brokers", brokers.join(","), "--topic", topic];
  const schemas = ["--schemas", join(ROOT, "schemas", "avro")];
  return {
    command: python,
    args: [join(FOLDER, `${script}.py`), ...place, ...schemas, ...more],
    env,
  };
}
