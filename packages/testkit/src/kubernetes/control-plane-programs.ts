import { execFile } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { putInPlace } from "../kafka-jars.ts";
import { MissingPart } from "../missing-part.ts";
import { startChild, outputTail } from "../child.ts";

const run = promisify(execFile);

/** go.mod pins the version of each program and of all that they are made of. */
const MODULE_FOLDER = fileURLToPath(new URL("../../../../infra/kubernetes/", import.meta.url));

export const KUBERNETES_WAYS = [
  "Go ≥ 1.21 (go on the PATH or in /usr/local/go/bin) and its module proxy: https://go.dev/dl",
] as const;

/** From here on a Go fetches by itself the newer one that a module asks for. */
const GO_MINOR_MIN = 21;
const GO_PLACES = ["go", "/usr/local/go/bin/go"] as const;

const LOCK_POLL_MS = 500;
const TELL_MS = 30_000;

/** The programs of a control plane, by their paths. */
export interface ControlPlanePrograms {
  readonly version: string;
  readonly etcd: string;
  readonly apiServer: string;
  readonly controllerManager: string;
  readonly kubectl: string;
}

/** Why there can be no control plane on this machine; undefined: there can. */
export async function missingForKubernetes(): Promise<string | undefined> {
  // Pods have addresses of their own in 127.0.0.0/8, which only Linux serves without being asked.
  if (process.platform !== "linux") return "pods as processes need Linux";
  if ((await findGo()) === undefined) return `no Go: ${KUBERNETES_WAYS[0]}`;
  return undefined;
}

/** The programs, built once per version; whoever comes while another builds waits for that one. */
export async function controlPlanePrograms(
  cacheFolder: string,
  tell: (line: string) => void,
): Promise<ControlPlanePrograms> {
  const version = pinnedVersion();
  const folder = join(cacheFolder, `kubernetes-${version}`);
  if (!existsSync(folder)) {
    mkdirSync(cacheFolder, { recursive: true });
    const unlock = await lock(`${folder}.lock`, tell);
    try {
      if (!existsSync(folder)) await build({ folder, version, tell });
    } finally {
      unlock();
    }
  }
  return {
    version,
    // Go names a program after the last part of its path that is not a version.
    etcd: join(folder, "server"),
    apiServer: join(folder, "kube-apiserver"),
    controllerManager: join(folder, "kube-controller-manager"),
    kubectl: join(folder, "kubectl"),
  };
}

function pinnedVersion(): string {
  const text = readFileSync(join(MODULE_FOLDER, "go.mod"), "utf8");
  const version = /k8s\.io\/kubernetes (v[\d.]+)/.exec(text)?.[1];
  if (version === undefined) throw new Error("infra/kubernetes/go.mod names no k8s.io/kubernetes");
  return version;
}

async function findGo(): Promise<string | undefined> {
  for (const go of GO_PLACES) {
    try {
      const { stdout } = await run(go, ["version"], {
        env: { ...process.env, GOTOOLCHAIN: "local" },
      });
      const [, major, minor] = /go(\d+)\.(\d+)/.exec(stdout) ?? [];
      if (Number(major) > 1 || Number(minor) >= GO_MINOR_MIN) return go;
    } catch {
      // Not there: the next place.
    }
  }
  return undefined;
}

async function build(options: {
  readonly folder: string;
  readonly version: string;
  readonly tell: (line: string) => void;
}): Promise<void> {
  const { folder, version, tell } = options;
  const go = await findGo();
  if (go === undefined) throw new MissingPart("Kubernetes is built by Go:", KUBERNETES_WAYS);
  tell(`building Kubernetes ${version} by Go, once (4 minutes on two idle cores)`);
  const staging = mkdtempSync(`${folder}.`);
  const outputFile = `${folder}.log`;
  const startMs = performance.now();
  const elapsed = (): string => `${Math.round((performance.now() - startMs) / 1_000)} s`;
  const timer = setInterval(() => tell(`building Kubernetes: ${elapsed()}`), TELL_MS);
  try {
    const child = startChild({
      command: go,
      args: ["build", "-mod=readonly", "-trimpath", `-ldflags=${linkFlags(version)}`].concat(
        "-o",
        `${staging}/bin/`,
        "tool",
      ),
      cwd: MODULE_FOLDER,
      env: { CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false" },
      outputFile,
    });
    const { code } = await child.exited;
    if (code !== 0) {
      const why = new Error(outputTail(outputFile));
      throw new MissingPart(`Kubernetes could not be built: ${why.message}`, KUBERNETES_WAYS, why);
    }
    putInPlace(join(staging, "bin"), folder);
    tell(`built Kubernetes ${version} in ${elapsed()}`);
  } finally {
    clearInterval(timer);
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Without symbols, which nobody debugs here; a program says which version it is. */
function linkFlags(version: string): string {
  const [major = "", minor = ""] = version.slice(1).split(".");
  const names = { gitVersion: version, gitMajor: major, gitMinor: minor };
  const values = Object.entries(names).map(([name, value]) => {
    return `-X k8s.io/component-base/version.${name}=${value}`;
  });
  return ["-s", "-w", ...values].join(" ");
}

/** A file with the builder's pid; that of a builder which is gone counts for nothing. */
async function lock(path: string, tell: (line: string) => void): Promise<() => void> {
  let isTold = false;
  while (!tryLock(path)) {
    if (!isTold) tell("waiting for another process that builds Kubernetes");
    isTold = true;
    if (isStale(path)) rmSync(path, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
  return () => rmSync(path, { force: true });
}

/** The file appears with its content or not at all. */
function tryLock(path: string): boolean {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(own, { force: true });
  }
}

function isStale(path: string): boolean {
  try {
    process.kill(Number(readFileSync(path, "utf8")), 0);
    return false;
  } catch {
    return existsSync(path);
  }
}
