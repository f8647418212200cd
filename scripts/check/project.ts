import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The project as the house rules see it: every text file that belongs to it. */
export interface Project {
  /** Path from the root, with forward slashes, to the file's text. */
  readonly files: ReadonlyMap<string, string>;
}

/** Folders that hold what is fetched or made, wherever they stand. */
const FOREIGN_FOLDERS = new Set(["node_modules", ".git", ".millrace", "dist", "coverage"]);

/**
 * Reads the files that Git tracks or would track. A checkout without Git (an unpacked archive) has
 * nothing that is ignored, so there the folders are walked.
 */
export function readProject(root: string): Project {
  const paths = existsSync(join(root, ".git")) ? listedByGit(root) : walk(root, "");
  const files = new Map<string, string>();
  for (const path of paths.toSorted()) {
    // Git still lists a file that was deleted and not yet committed.
    if (!existsSync(join(root, path))) continue;
    const text = readFileSync(join(root, path), "utf8");
    if (!text.includes("\0")) files.set(path, text);
  }
  return { files };
}

/** A project of the given files: for tests of the rules. */
export function projectOf(files: Readonly<Record<string, string>>): Project {
  return { files: new Map(Object.entries(files)) };
}

function listedByGit(root: string): string[] {
  const command = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const output = execFileSync("git", command, { cwd: root, encoding: "utf8" });
  return output.split("\0").filter((path) => path !== "");
}

function walk(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return FOREIGN_FOLDERS.has(entry.name) ? [] : walk(root, path);
    return entry.isFile() ? [path] : [];
  });
}
