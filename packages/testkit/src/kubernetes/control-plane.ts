import { execFile } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../cache-folder.ts";
import { CertificateAuthority } from "../certificate-authority.ts";
import { type Child, outputTail, startChild } from "../child.ts";
import { freePort } from "../free-port.ts";
import { waitFor } from "../wait-for.ts";
import { type ControlPlanePrograms, controlPlanePrograms } from "./control-plane-programs.ts";
import { KubernetesApi } from "./kubernetes-api.ts";

const HOST = "127.0.0.1";
const READY_MS = 180_000;
const OUTPUT_BYTES_MAX = 64 * 1_024 * 1_024;

/** An API server presents itself with this name to the servers that it passes requests on to. */
const FRONT_PROXY = "front-proxy";

/** Those that workloads live by; what needs real nodes, clouds or volumes stays away. */
const CONTROLLERS = [
  "deployment-controller",
  "replicaset-controller",
  "disruption-controller",
  "horizontal-pod-autoscaler-controller",
  "garbage-collector-controller",
  "pod-garbage-collector-controller",
  "namespace-controller",
] as const;

export interface Told {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Started {
  readonly folder: string;
  readonly programs: ControlPlanePrograms;
  readonly api: KubernetesApi;
  readonly children: readonly Child[];
}

/**
 * A real Kubernetes without nodes: etcd, the API server and the controller manager on loopback,
 * with their data in a folder that goes when they are stopped.
 */
export class ControlPlane {
  readonly api: KubernetesApi;
  readonly version: string;
  readonly #started: Started;

  private constructor(started: Started) {
    this.api = started.api;
    this.version = started.programs.version;
    this.#started = started;
  }

  static async start(tell: (line: string) => void = () => undefined): Promise<ControlPlane> {
    const programs = await controlPlanePrograms(cacheFolder(), tell);
    const folder = mkdtempSync(join(tmpdir(), "millrace-kubernetes-"));
    const children: Child[] = [];
    try {
      const etcd = await startEtcd(programs, folder, children);
      const api = await startApiServer({ programs, folder, children, etcd });
      startControllers(programs, folder, children);
      return new ControlPlane({ folder, programs, api, children });
    } catch (error) {
      await end(children, folder);
      throw error;
    }
  }

  /** As an operator types it; never rejects for what kubectl itself refuses. */
  kubectl(args: readonly string[], input = ""): Promise<Told> {
    const { programs, folder } = this.#started;
    const config = `--kubeconfig=${join(folder, "kubeconfig.json")}`;
    // Its caches and preferences stay in this folder, too.
    const env = { ...process.env, HOME: folder };
    const options = { env, maxBuffer: OUTPUT_BYTES_MAX };
    return new Promise((resolve) => {
      const child = execFile(programs.kubectl, [config, ...args], options, (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
        resolve({ code, stdout: out, stderr: err });
      });
      // Who does not read what it is given says why by its exit code.
      child.stdin?.on("error", () => undefined);
      child.stdin?.end(input);
    });
  }

  async stop(): Promise<void> {
    this.api.close();
    await end(this.#started.children, this.#started.folder);
  }
}

async function end(children: readonly Child[], folder: string): Promise<void> {
  // Nothing of it is needed again, and the last ones started wait for the first ones otherwise.
  for (const child of children) child.signal("SIGKILL");
  await Promise.all(children.map(({ exited }) => exited));
  rmSync(folder, { recursive: true, force: true });
}

async function startEtcd(
  { etcd }: ControlPlanePrograms,
  folder: string,
  children: Child[],
): Promise<string> {
  const client = `http://${HOST}:${await freePort()}`;
  const peer = `http://${HOST}:${await freePort()}`;
  const child = startChild({
    command: etcd,
    args: [
      `--data-dir=${join(folder, "etcd")}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      // What it keeps is gone at the end anyway.
      "--unsafe-no-fsync",
      "--log-level=warn",
    ],
    outputFile: join(folder, "etcd.log"),
  });
  children.push(child);
  await whenHealthy(child, "etcd", async () => (await fetch(`${client}/health`)).ok);
  return client;
}

async function startApiServer(parts: {
  readonly programs: ControlPlanePrograms;
  readonly folder: string;
  readonly children: Child[];
  readonly etcd: string;
}): Promise<KubernetesApi> {
  const { programs, folder, children, etcd } = parts;
  const port = await freePort();
  const authority = writeSecrets(folder);
  const token = randomUUID();
  writeFileSync(join(folder, "tokens.csv"), `${token},admin,admin,system:masters\n`);
  writeKubeconfig(folder, { port, token, authority });
  const child = startChild({
    command: programs.apiServer,
    args: apiServerFlags(folder, { etcd, port }),
    outputFile: join(folder, "kube-apiserver.log"),
  });
  children.push(child);
  const api = new KubernetesApi({ port, token, authority });
  const isUp = (): Promise<boolean> =>
    api.get("/api/v1/namespaces/default").then(
      () => true,
      () => false,
    );
  await whenHealthy(child, "kube-apiserver", isUp);
  return api;
}

function apiServerFlags(
  folder: string,
  { etcd, port }: { readonly etcd: string; readonly port: number },
): string[] {
  const at = (name: string): string => join(folder, name);
  return [
    `--etcd-servers=${etcd}`,
    `--secure-port=${port}`,
    `--bind-address=${HOST}`,
    `--tls-cert-file=${at("server.crt")}`,
    `--tls-private-key-file=${at("server.key")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${at("accounts.key")}`,
    `--service-account-signing-key-file=${at("accounts.key")}`,
    `--token-auth-file=${at("tokens.csv")}`,
    "--authorization-mode=RBAC",
    "--service-cluster-ip-range=10.0.0.0/24",
    // Pods run without an account of their own: nobody makes the token that they would mount.
    "--disable-admission-plugins=ServiceAccount",
    // Servers that extend the API are reached with this certificate.
    `--requestheader-client-ca-file=${at("authority.crt")}`,
    `--requestheader-allowed-names=${FRONT_PROXY}`,
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    `--proxy-client-cert-file=${at("proxy.crt")}`,
    `--proxy-client-key-file=${at("proxy.key")}`,
  ];
}

/** Certificates and keys; answers the authority's certificate. */
function writeSecrets(folder: string): string {
  const authority = new CertificateAuthority("kubernetes");
  const keep = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  keep("authority.crt", authority.certificate);
  for (const [file, name] of [
    ["server", "localhost"],
    ["proxy", FRONT_PROXY],
  ] as const) {
    const { chain, key } = authority.issue(name);
    keep(`${file}.crt`, chain);
    keep(`${file}.key`, key);
  }
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  keep("accounts.key", privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  return authority.certificate;
}

/** JSON is YAML, too. */
function writeKubeconfig(
  folder: string,
  {
    port,
    token,
    authority,
  }: { readonly port: number; readonly token: string; readonly authority: string },
): void {
  const name = "millrace";
  const data = Buffer.from(authority).toString("base64");
  const cluster = { server: `https://${HOST}:${port}`, "certificate-authority-data": data };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{ name, cluster }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  };
  writeFileSync(join(folder, "kubeconfig.json"), JSON.stringify(config));
}

function startControllers(
  { controllerManager }: ControlPlanePrograms,
  folder: string,
  children: Child[],
): void {
  const child = startChild({
    command: controllerManager,
    args: [
      `--kubeconfig=${join(folder, "kubeconfig.json")}`,
      `--controllers=${CONTROLLERS.join(",")}`,
      "--leader-elect=false",
      "--secure-port=0",
      // Every 15 s otherwise: a test would wait for nothing.
      "--horizontal-pod-autoscaler-sync-period=2s",
    ],
    outputFile: join(folder, "kube-controller-manager.log"),
  });
  children.push(child);
}

async function whenHealthy(
  child: Child,
  name: string,
  isHealthy: () => Promise<boolean>,
): Promise<void> {
  const answers = async (): Promise<boolean> => {
    if (child.hasExited) throw new Error(`${name} ended:\n${outputTail(child.outputFile)}`);
    return isHealthy().catch(() => false);
  };
  await waitFor(answers, { what: `${name} is up`, timeoutMs: READY_MS });
}
