import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";

const LOCK_FILE = "package-lock.json";
const REGISTRY = "https://registry.npmjs.org/";

interface LockEntry {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly integrity?: string;
}

/**
 * Every package is pinned by the hash of its bytes, and by no address but the public registry's.
 * The hash is what makes a third party's publication of uWebSockets.js acceptable.
 */
export function lockFile(project: Project): Finding[] {
  const text = project.files.get(LOCK_FILE);
  if (text === undefined) return [{ file: LOCK_FILE, message: "is missing" }];
  const { packages } = JSON.parse(text) as { packages: Record<string, LockEntry> };
  return Object.entries(packages).flatMap(([name, entry]) => {
    if (!name.includes("node_modules/") || entry.link === true) return [];
    const messages = [];
    if (entry.integrity === undefined) messages.push(`${name} has no integrity hash`);
    if (entry.resolved !== undefined && !entry.resolved.startsWith(REGISTRY)) {
      messages.push(`${name} is resolved from ${new URL(entry.resolved).host}`);
    }
    return messages.map((message) => ({ file: LOCK_FILE, message }));
  });
}
