import { must } from "@millrace/runtime";
import { type KubernetesApi, type Pod, Watched, isReady } from "@millrace/testkit/kubernetes";
import { Balancer } from "../fleet/balancer.ts";

const NAMESPACE = "millrace";
const SELECTOR = encodeURIComponent("app.kubernetes.io/name=edge");
const PORT = "ws";

/** So much later proxies act on a change: it has to come from the kubelet by the API to each of them. */
const LAG_MS = 1_000;

/**
 * The Service of the edges: newcomers are sent to the pods that are ready and are not being stopped.
 * The API refuses endpoints with loopback addresses, so they are taken from the pods themselves.
 */
export class Endpoints {
  readonly balancer = new Balancer();
  readonly #served = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #watched: Watched<Pod> | undefined;
  #least = Infinity;

  static async open(api: KubernetesApi): Promise<Endpoints> {
    const endpoints = new Endpoints();
    const path = `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=${SELECTOR}`;
    endpoints.#watched = await Watched.open<Pod>(api, path, () => endpoints.#sync());
    endpoints.#sync();
    return endpoints;
  }

  get pods(): Pod[] {
    return [...(this.#watched?.items.values() ?? [])];
  }

  get ready(): Pod[] {
    return this.pods.filter(isReady);
  }

  /** The least that were ready at once since this was asked for the last time. */
  takeLeastReady(): number {
    const least = this.#least;
    this.#least = this.ready.length;
    return least;
  }

  /** Where newcomers are sent now. */
  get served(): readonly string[] {
    return [...this.#served];
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#watched?.close();
  }

  #sync(): void {
    if (this.#watched === undefined) return;
    this.#least = Math.min(this.#least, this.ready.length);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#serve(new Set(wanted));
    }, LAG_MS);
    const wanted = this.ready.map(addressOf);
    this.#timers.add(timer);
  }

  #serve(wanted: ReadonlySet<string>): void {
    for (const ws of this.#served) {
      if (wanted.has(ws)) continue;
      this.#served.delete(ws);
      this.balancer.remove(ws);
    }
    for (const ws of wanted) {
      if (this.#served.has(ws)) continue;
      this.#served.add(ws);
      this.balancer.add(ws);
    }
  }
}

/** Where clients connect to a pod. */
function addressOf(pod: Pod): string {
  return `ws://${hostOf(pod)}:${portOf(pod, PORT)}/v1/connect`;
}

/** Its page of metrics. */
export function metricsOf(pod: Pod): string {
  return `http://${hostOf(pod)}:${portOf(pod, "metrics")}/metrics`;
}

function hostOf({ metadata, status }: Pod): string {
  return must(status?.podIP, `the address of ${metadata.name}`);
}

function portOf({ metadata, spec }: Pod, name: string): number {
  const port = spec.containers[0]?.ports?.find((one) => one.name === name)?.containerPort;
  return must(port, `a port ${name} of ${metadata.name}`);
}
