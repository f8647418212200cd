import { join } from "node:path";
import { containers } from "./containers/containers.ts";
import { formatFinding } from "./finding.ts";
import { HOUSE_RULES } from "./house-rules.ts";
import { manifests } from "./manifests/manifests.ts";
import { readProject } from "./project.ts";
import { runCommand } from "./run-command.ts";

export interface Check {
  readonly name: string;
  /**
   * What is wrong, each with its place; nothing when all is well. What this machine lacks the means
   * to look at is told to `skip`.
   */
  find(skip: (what: string) => void): Promise<readonly string[]>;
}

/** The checks that read the code and the docs; none needs a broker, none runs a test. */
export function staticChecks(root: string): Check[] {
  const project = readProject(root);
  const rules = Object.entries(HOUSE_RULES).map(([name, rule]) => ({
    name,
    find: () => Promise.resolve(rule(project).map(formatFinding)),
  }));
  return [
    tool(root, "lint", ["oxlint", "--type-aware", "--format=unix"]),
    tool(root, "types", ["tsc", "--noEmit", "-p", "."]),
    tool(root, "unused code", ["knip", "--no-progress"]),
    tool(root, "format", ["oxfmt", "--check", "."]),
    {
      name: "Kubernetes manifests",
      find: (skip) => manifests({ project, root, crdFolder: crdFolder(root), skip }),
    },
    { name: "containers", find: (skip) => containers({ project, root, skip }) },
    ...rules,
  ];
}

/** Definitions of the operators' kinds, beside the checkout where nobody says otherwise. */
function crdFolder(root: string): string {
  return process.env["MILLRACE_CRDS"] ?? join(root, "..", "shared", "crds");
}

/** The tests that need nothing but Node. */
export function unitTests(root: string): Check {
  return tool(root, "unit tests", ["vitest", "run", "--project", "unit", "--silent"]);
}

function tool(root: string, name: string, [command = "", ...args]: readonly string[]): Check {
  return {
    name,
    find: async () => {
      const { code, output } = await runCommand(command, args, root);
      return code === 0 ? [] : [output.trim()];
    },
  };
}
