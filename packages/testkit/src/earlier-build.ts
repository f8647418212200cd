import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const MODULES = "node_modules";
const SCOPE = "@millrace";

/** A commit whose code can be run beside this one's. */
export interface EarlierCommit {
  readonly commit: string;
  readonly subject: string;
}

/** Why there is none: no git, no history, or a name that says nothing here. */
export interface NoCommit {
  readonly why: string;
}

/** Whether the history reaches to the commit of that name. */
export function findCommit(name: string): EarlierCommit | NoCommit {
  try {
    const [commit = "", subject = ""] = git("log", "-1", "--format=%H%n%s", name, "--").split("\n");
    return { commit, subject };
  } catch {
    // A checkout without git, a shallow one, or an archive.
    return { why: `this checkout has no history that reaches to ${name}` };
  }
}

/**
 * The tree of a commit in a folder of its own, able to run: foreign modules are those of this checkout,
 * our own packages its own. A commit that needs others than are installed here does not start.
 */
export class EarlierBuild {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static check({ commit }: EarlierCommit): EarlierBuild {
    const folder = mkdtempSync(join(tmpdir(), "millrace-build-"));
    const archive = join(folder, "tree.tar");
    git("archive", "--format=tar", `--output=${archive}`, commit);
    execFileSync("tar", ["-xf", archive, "-C", folder]);
    rmSync(archive);
    linkModules(folder);
    return new EarlierBuild(folder);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function linkModules(folder: string): void {
  const modules = join(folder, MODULES);
  mkdirSync(join(modules, SCOPE), { recursive: true });
  for (const name of readdirSync(join(ROOT, MODULES))) {
    if (name !== SCOPE && !name.startsWith(".")) {
      symlinkSync(join(ROOT, MODULES, name), join(modules, name));
    }
  }
  for (const name of readdirSync(join(ROOT, MODULES, SCOPE))) {
    // npm links workspaces by a relative path, which means the same place in the other tree.
    const target = readlinkSync(join(ROOT, MODULES, SCOPE, name));
    if (existsSync(join(modules, SCOPE, target))) symlinkSync(target, join(modules, SCOPE, name));
  }
}

function git(...args: string[]): string {
  return execFileSync("git", args, {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}
