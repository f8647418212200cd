import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "@millrace/runtime";
import { ContainerEnvironment } from "./container-environment.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";
import type { Pod } from "./objects.ts";
import { type LocalImage, PodProcess } from "./pod-process.ts";
import { timeStamp } from "./pod-report.ts";
import { PodScheduler } from "./pod-scheduler.ts";
import { Watched } from "./watched.ts";

export interface KubeletOptions {
  readonly api: KubernetesApi;
  /** Each is a zone of its own. */
  readonly nodes: readonly string[];
  /** By the image's name without registry and tag. */
  readonly images: Readonly<Record<string, LocalImage>>;
}

const NODES = "/api/v1/nodes";

/** What a node of ours says it has; the machine is not asked, and the scheduler does not count it. */
const CAPACITY = { cpu: "64", memory: "512Gi", pods: "110", "ephemeral-storage": "1Ti" };

/**
 * Runs pods as processes of this machine: the kubelet of several nodes, with the scheduler. Each pod
 * has an address of its own in 127.0.0.0/8, so that all of them may use the same ports.
 */
export class ProcessKubelet {
  readonly #options: KubeletOptions;
  readonly #environment: ContainerEnvironment;
  readonly #logFolder = mkdtempSync(join(tmpdir(), "millrace-pods-"));
  readonly #pods = new Map<string, PodProcess>();
  /** Those that are gone, too: for what is asked about them later. */
  readonly #byName = new Map<string, PodProcess>();
  /** So that two runs on one machine rarely meet. */
  readonly #net = 16 + Math.floor(Math.random() * 230);
  #addresses = 0;
  #watched: Watched<Pod> | undefined;
  #scheduler: PodScheduler | undefined;

  private constructor(options: KubeletOptions) {
    this.#options = options;
    this.#environment = new ContainerEnvironment(options.api);
    mkdirSync(this.#logFolder, { recursive: true });
  }

  static async start(options: KubeletOptions): Promise<ProcessKubelet> {
    const kubelet = new ProcessKubelet(options);
    const { api, nodes } = options;
    for (const node of nodes) await register(api, node);
    kubelet.#watched = await Watched.open<Pod>(api, "/api/v1/pods", (uid, pod) => {
      kubelet.#sync(uid, pod);
    });
    kubelet.#scheduler = await PodScheduler.start(api);
    return kubelet;
  }

  /** Every process ends at once; the API still has its pods. */
  async stop(): Promise<void> {
    await Promise.all([this.#scheduler?.stop(), this.#watched?.close()]);
    await Promise.all([...this.#pods.values()].map((pod) => pod.abandon()));
    rmSync(this.#logFolder, { recursive: true, force: true });
  }

  /** Also one that has ended. */
  pod(name: string): PodProcess {
    return must(this.#byName.get(name), `a pod ${name} on these nodes`);
  }

  #sync(uid: string, pod: Pod | undefined): void {
    const process = this.#pods.get(uid);
    if (pod === undefined) {
      this.#pods.delete(uid);
      // Deleted by force: nobody waits for it.
      void process?.abandon();
    } else if (process === undefined) {
      this.#start(uid, pod);
    } else if (pod.metadata.deletionTimestamp !== undefined) {
      void process.terminate(pod.metadata.deletionGracePeriodSeconds);
    }
  }

  #start(uid: string, pod: Pod): void {
    const { api, nodes } = this.#options;
    const { nodeName } = pod.spec;
    if (nodeName === undefined || !nodes.includes(nodeName)) return;
    const process = new PodProcess({
      api,
      environment: this.#environment,
      pod,
      address: this.#nextAddress(),
      image: this.#imageOf(pod),
      logFolder: this.#logFolder,
    });
    this.#pods.set(uid, process);
    this.#byName.set(pod.metadata.name, process);
  }

  #imageOf({ spec: { containers } }: Pod): LocalImage {
    const image = containers[0]?.image ?? "";
    const name = image.replace(/@.*$/, "").replace(/:[^/]*$/, "");
    const known = Object.entries(this.#options.images);
    const found = known.find(([end]) => name === end || name.endsWith(`/${end}`));
    return must(found, `what ${image} is on this machine`)[1];
  }

  #nextAddress(): string {
    const index = this.#addresses++;
    return `127.${this.#net}.${Math.floor(index / 250)}.${1 + (index % 250)}`;
  }
}

async function register(api: KubernetesApi, name: string): Promise<void> {
  const labels = {
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": "linux",
    "topology.kubernetes.io/zone": `zone-${name}`,
  };
  await api.create(NODES, { apiVersion: "v1", kind: "Node", metadata: { name, labels } });
  const now = timeStamp();
  const conditions = [
    { type: "Ready", status: "True", lastTransitionTime: now, lastHeartbeatTime: now },
  ];
  const status = { capacity: CAPACITY, allocatable: CAPACITY, conditions };
  await api.patch(`${NODES}/${name}/status`, { status });
}
