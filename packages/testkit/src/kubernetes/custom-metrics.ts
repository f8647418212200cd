import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { CertificateAuthority } from "../certificate-authority.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";
import type { Pod } from "./objects.ts";
import { timeStamp } from "./pod-report.ts";

export interface CustomMetricsOptions {
  readonly api: KubernetesApi;
  /** The one metric of pods that is served. */
  readonly metric: string;
  /** Undefined: it has none, as a pod that does not run yet. */
  readonly valueOf: (pod: Pod) => Promise<number | undefined>;
}

const GROUP = "custom.metrics.k8s.io";
const VERSION = "v1beta2";
const ROOT = `/apis/${GROUP}/${VERSION}`;
/** Of all the pods that a selector takes. */
const ASKED = new RegExp(String.raw`^${ROOT}/namespaces/([^/]+)/pods/\*/([^/]+)$`);
const SERVICE = { name: "custom-metrics", namespace: "default" } as const;
const NOT_FOUND = 404;
const UNAVAILABLE = 503;

/**
 * Serves pods' numbers as the custom metrics API, where an autoscaler asks for them: what an adapter
 * in front of Prometheus does in a cluster. The API server passes requests on to it here by a
 * Service of type ExternalName.
 */
export class CustomMetrics {
  readonly #options: CustomMetricsOptions;
  readonly #server: Server;

  private constructor(options: CustomMetricsOptions) {
    this.#options = options;
    const { chain, key } = new CertificateAuthority("custom-metrics").issue("localhost");
    this.#server = createServer({ cert: chain, key }, (request, response) => {
      const url = new URL(request.url ?? "/", "https://localhost");
      // It never rejects.
      void this.#answer(url).then(({ status, body }) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(body));
      });
    });
  }

  static async start(options: CustomMetricsOptions): Promise<CustomMetrics> {
    const metrics = new CustomMetrics(options);
    await new Promise<void>((resolve) => metrics.#server.listen(0, "127.0.0.1", resolve));
    await metrics.#register();
    return metrics;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #register(): Promise<void> {
    const { api } = this.#options;
    const { port } = this.#server.address() as AddressInfo;
    await api.create(`/api/v1/namespaces/${SERVICE.namespace}/services`, {
      apiVersion: "v1",
      kind: "Service",
      metadata: SERVICE,
      spec: { type: "ExternalName", externalName: "localhost", ports: [{ port }] },
    });
    await api.create("/apis/apiregistration.k8s.io/v1/apiservices", {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name: `${VERSION}.${GROUP}` },
      spec: {
        group: GROUP,
        version: VERSION,
        service: { ...SERVICE, port },
        insecureSkipTLSVerify: true,
        groupPriorityMinimum: 100,
        versionPriority: 100,
      },
    });
  }

  async #answer({ pathname, searchParams }: URL): Promise<{ status: number; body: object }> {
    if (pathname === ROOT) return { status: 200, body: this.#resources() };
    // The star may come as %2A.
    const asked = ASKED.exec(decodeURIComponent(pathname));
    const [, namespace = "", metric] = asked ?? [];
    if (metric !== this.#options.metric) return { status: NOT_FOUND, body: {} };
    try {
      const selector = searchParams.get("labelSelector") ?? "";
      return { status: 200, body: await this.#values(namespace, selector) };
    } catch {
      // The server that asks tries it again.
      return { status: UNAVAILABLE, body: {} };
    }
  }

  #resources(): object {
    const { metric } = this.#options;
    const kind = "MetricValueList";
    const resource = { name: `pods/${metric}`, singularName: "", namespaced: true, kind };
    return {
      kind: "APIResourceList",
      apiVersion: "v1",
      groupVersion: `${GROUP}/${VERSION}`,
      resources: [{ ...resource, verbs: ["get"] }],
    };
  }

  async #values(namespace: string, labelSelector: string): Promise<object> {
    const { api, metric, valueOf } = this.#options;
    const query = `labelSelector=${encodeURIComponent(labelSelector)}`;
    const { items } = await api.list<Pod>(`/api/v1/namespaces/${namespace}/pods?${query}`);
    const measured = await Promise.all(
      items.map(async (pod) => ({ name: pod.metadata.name, value: await valueOf(pod) })),
    );
    const values = measured.flatMap(({ name, value }) => {
      if (value === undefined) return [];
      const describedObject = { kind: "Pod", namespace, name, apiVersion: "/v1" };
      return [
        { describedObject, metric: { name: metric }, timestamp: timeStamp(), value: String(value) },
      ];
    });
    const apiVersion = `${GROUP}/${VERSION}`;
    return { kind: "MetricValueList", apiVersion, metadata: {}, items: values };
  }
}
