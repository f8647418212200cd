import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import {
  MissingPart,
  type PythonEnvironment,
  cacheFolder,
  pythonEnvironment,
} from "@millrace/testkit";
import { COMPOSE_FILE } from "./compose-rules.ts";
import { DOCKERFILE } from "./image-rules.ts";

const run = promisify(execFile);

/** A whole parser of the specification: it refuses what no version of Compose knows. */
const PARSE = `
import sys
from compose_spec import PyOptions
PyOptions(apply_merge=True).from_yaml(open(sys.argv[1]).read()).validate()
`;

/** What the tools of others find in the Dockerfile and in compose.yaml; no engine is asked. */
export async function lintContainers(
  root: string,
  skip: (what: string) => void,
): Promise<string[]> {
  try {
    const environment = await pythonEnvironment({
      requirements: join(root, "infra/docker/requirements.txt"),
      cacheFolder: cacheFolder(),
      tell: (line) => console.error(line),
    });
    const { python } = environment;
    const findings = await Promise.all([
      complaints(
        programOf(environment, "hadolint"),
        ["--no-color", join(root, DOCKERFILE)],
        environment,
      ),
      complaints(python, ["-c", PARSE, join(root, COMPOSE_FILE)], environment),
    ]);
    return findings.flat().map((line) => line.replaceAll(`${root}/`, ""));
  } catch (error) {
    if (!(error instanceof MissingPart)) throw error;
    skip(`linters of containers (${error.message.split("\n")[0]})`);
    return [];
  }
}

/** A program that came with a package stands beside Python, or in the folder that is its path. */
function programOf({ python, env }: PythonEnvironment, name: string): string {
  const { PYTHONPATH: site } = env;
  return site === undefined ? join(dirname(python), name) : join(site, "bin", name);
}

async function complaints(
  command: string,
  args: readonly string[],
  { env }: PythonEnvironment,
): Promise<string[]> {
  try {
    await run(command, args, { env: { ...process.env, ...env } });
    return [];
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & Partial<Record<string, string>>;
    const lines = `${stdout}${stderr}`.split("\n").filter((line) => line.trim() !== "");
    // Of an exception the last line says what is wrong.
    const said = stdout === "" ? lines.slice(-1) : lines;
    return said.length > 0 ? said : [message];
  }
}
