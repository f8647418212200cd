import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";

/** Where a process runs, as far as native code cares. */
export interface Platform {
  /** The version of Node, without its `v`. */
  readonly node: string;
  /** Of Node's binary interface: a native module is built for exactly one. */
  readonly abi: string;
  readonly os: string;
  readonly arch: string;
  /** Absent on another C library, as musl, and on other systems than Linux. */
  readonly glibc?: string | undefined;
}

interface Runtime {
  readonly node: string;
  /** The least of the C library that Node itself, or the native module built for it, asks for. */
  readonly glibc: string;
}

/** By binary interface. One that is not here was never tried, though there may be a build for it. */
const RUNTIMES: Readonly<Record<string, Runtime>> = {
  "115": { node: "20.19", glibc: "2.28" },
  "127": { node: "22.12", glibc: "2.38" },
  "137": { node: "24.0", glibc: "2.38" },
  "141": { node: "25.0", glibc: "2.38" },
};

const BUILD = /^uws_([a-z0-9]+)_([a-z0-9]+)_(\d+)\.node$/;

export function hostPlatform(): Platform {
  const { platform: os, arch, versions } = process;
  const host = { node: versions.node, abi: versions.modules, os, arch };
  if (os !== "linux") return host;
  // The only place where Node tells of the C library that it runs on.
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return { ...host, glibc: header.glibcVersionRuntime };
}

/** The files of native code that are installed, one for each system and binary interface. */
export function nativeBuilds(): string[] {
  const folder = dirname(createRequire(import.meta.url).resolve("uWebSockets.js"));
  return readdirSync(folder).filter((file) => BUILD.test(file));
}

/**
 * Why the server's native code can't run there, in one line that names where it can; undefined where
 * it can. Asked before that code is loaded, which would fail with a stack trace that names a missing
 * symbol, over and over under whatever restarts the process.
 */
export function platformProblem(platform: Platform, builds: readonly string[]): string | undefined {
  const { node, abi, os, arch, glibc } = platform;
  const runtime = RUNTIMES[abi];
  const hasBuild = builds.includes(`uws_${os}_${arch}_${abi}.node`);
  const isNodeGood = runtime !== undefined && isAtLeast(node, runtime.node);
  const isLibraryGood =
    os !== "linux" || (runtime !== undefined && isAtLeast(glibc ?? "0", runtime.glibc));
  if (hasBuild && isNodeGood && isLibraryGood) return undefined;
  const library =
    os === "linux" ? ` with ${glibc === undefined ? "no glibc" : `glibc ${glibc}`}` : "";
  return `the edge can't start: Node ${node} on ${os} ${arch}${library} is not supported; ${supported(builds)}`;
}

function supported(builds: readonly string[]): string {
  const parts = builds.flatMap((file) => {
    const [, os = "", arch = "", abi = ""] = BUILD.exec(file) ?? [];
    return abi in RUNTIMES ? [{ abi, place: `${os} ${arch}` }] : [];
  });
  const places = [...new Set(parts.map(({ place }) => place))];
  const runtimes = Object.entries(RUNTIMES)
    .filter(([abi]) => parts.some((part) => part.abi === abi))
    .map(([, { node, glibc }]) => `${node} (on Linux with glibc ${glibc})`);
  return `supported are these versions of Node, or newer ones of the same major: ${runtimes.join(", ")}; on ${places.join(", ")}`;
}

function isAtLeast(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
