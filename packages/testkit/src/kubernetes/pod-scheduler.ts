import { type KubernetesApi } from "./kubernetes-api.ts";
import type { Node, Pod } from "./objects.ts";
import { pathOf } from "./pod-report.ts";
import { Watched } from "./watched.ts";

/** Gives each pod that has no node the schedulable one with the fewest pods; without one it waits. */
export class PodScheduler {
  readonly #api: KubernetesApi;
  #nodes: Watched<Node> | undefined;
  #pods: Watched<Pod> | undefined;
  /** Bound by us, but the watch does not know it yet; by the pods' uids. */
  readonly #bound = new Map<string, string>();

  private constructor(api: KubernetesApi) {
    this.#api = api;
  }

  static async start(api: KubernetesApi): Promise<PodScheduler> {
    const scheduler = new PodScheduler(api);
    scheduler.#nodes = await Watched.open<Node>(api, "/api/v1/nodes", () => scheduler.#bindAll());
    scheduler.#pods = await Watched.open<Pod>(api, "/api/v1/pods", (uid, pod) => {
      if (pod === undefined || pod.spec.nodeName !== undefined) scheduler.#bound.delete(uid);
      scheduler.#bindAll();
    });
    scheduler.#bindAll();
    return scheduler;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#nodes?.close(), this.#pods?.close()]);
  }

  #bindAll(): void {
    for (const [uid, pod] of this.#pods?.items ?? []) {
      const { spec, metadata } = pod;
      if (spec.nodeName !== undefined || metadata.deletionTimestamp !== undefined) continue;
      if (!this.#bound.has(uid)) this.#bind(uid, pod);
    }
  }

  #bind(uid: string, pod: Pod): void {
    const node = this.#emptiestFor(pod);
    if (node === undefined) return;
    this.#bound.set(uid, node);
    const target = { apiVersion: "v1", kind: "Node", name: node };
    const binding = { apiVersion: "v1", kind: "Binding", metadata: pod.metadata, target };
    // Gone meanwhile, or the server was busy: a later change tries it again.
    this.#api.create(`${pathOf(pod)}/binding`, binding).catch(() => this.#bound.delete(uid));
  }

  #emptiestFor({ spec: { nodeSelector = {} } }: Pod): string | undefined {
    const wanted = Object.entries(nodeSelector);
    const nodes = [...(this.#nodes?.items.values() ?? [])].filter(({ spec, metadata }) => {
      const { labels = {} } = metadata;
      return spec?.unschedulable !== true && wanted.every(([name, is]) => labels[name] === is);
    });
    const counts = new Map(nodes.map(({ metadata: { name } }) => [name, 0]));
    for (const [uid, { spec, metadata }] of this.#pods?.items ?? []) {
      const name = spec.nodeName ?? this.#bound.get(uid) ?? "";
      const count = counts.get(name);
      // Who is about to go needs no company.
      if (count !== undefined && metadata.deletionTimestamp === undefined)
        counts.set(name, count + 1);
    }
    return [...counts].toSorted(([, a], [, b]) => a - b)[0]?.[0];
  }
}
