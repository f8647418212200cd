import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cacheFolder } from "@millrace/testkit";
import { controlPlanePrograms, missingForKubernetes } from "@millrace/testkit/kubernetes";
import { commandOptions } from "./command-options.ts";

const USAGE = `npm run test:k8s [-- OPTIONS [FILTER…]]

Runs the manifests of k8s/ in a real Kubernetes control plane (etcd, API server, controller manager)
on this machine: strict validation of every overlay; then the edges' Deployment, whose pods are
processes of this checkout on real Kafka and Redis, is rolled, scaled, drained, killed and broken
while clients chat, and a judge looks for what was lost, doubled or out of order.

The control plane is built by Go once (4 minutes on two idle cores) and kept in .millrace/cache.
Where there is no Go, the tests are skipped and say so. Needs Linux; no container engine.

  --build      only build the control plane
  -t PATTERN   only the tests whose names match
  --help       this text
  FILTER       only the files whose paths contain one of these

\`npm test\` runs the same tests after all others.`;

interface Options {
  readonly isBuild: boolean;
  /** For Vitest. */
  readonly filters: readonly string[];
}

function readOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      build: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      pattern: { type: "string", short: "t" },
    },
    allowPositionals: true,
  });
  if (values.help) return undefined;
  const pattern = values.pattern === undefined ? [] : ["-t", values.pattern];
  return { isBuild: values.build, filters: [...pattern, ...positionals] };
}

async function main({ isBuild, filters }: Options): Promise<number> {
  if (!isBuild) return test(filters);
  const missing = await missingForKubernetes();
  if (missing !== undefined) {
    console.error(missing);
    return 1;
  }
  const { version } = await controlPlanePrograms(cacheFolder(), console.error);
  console.log(`Kubernetes ${version} is ready`);
  return 0;
}

/** `npm test` on this project alone: the same closing line, the same exit code. */
function test(filters: readonly string[]): Promise<number> {
  const script = fileURLToPath(new URL("test.ts", import.meta.url));
  const args = ["--import", "tsx", script, "--project", "k8s", ...filters];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once("error", () => resolve(1));
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

process.exitCode = await main(commandOptions(readOptions, USAGE));
