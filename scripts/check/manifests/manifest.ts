import { parseAllDocuments } from "yaml";

/** An object of the cluster; what it holds besides is judged by its schema. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Labels;
    readonly annotations?: Labels;
  };
}

/** What is applied together. */
export interface ManifestSet {
  /** Where it is built from, as findings name it. */
  readonly place: string;
  readonly manifests: readonly Manifest[];
}

export type Labels = Readonly<Record<string, string>>;

export interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly unknown[];
}

export interface EnvironmentEntry {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
}

export interface HttpProbe {
  readonly httpGet?: { readonly path?: string; readonly port: number | string };
  readonly tcpSocket?: { readonly port: number | string };
}

export interface Container {
  readonly name: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly env?: readonly EnvironmentEntry[];
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
  readonly startupProbe?: HttpProbe;
  readonly livenessProbe?: HttpProbe;
  readonly readinessProbe?: HttpProbe;
  readonly lifecycle?: {
    readonly preStop?: { readonly sleep?: { readonly seconds: number }; readonly exec?: unknown };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly resources?: {
    readonly requests?: { readonly memory?: string };
    readonly limits?: { readonly memory?: string };
  };
}

export interface PodSpec {
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly serviceAccountName?: string;
  readonly containers: readonly Container[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly configMap?: { readonly name: string };
  }[];
}

export interface Workload extends Manifest {
  readonly spec: {
    readonly selector: Selector;
    readonly template: {
      readonly metadata: { readonly labels?: Labels };
      readonly spec: PodSpec;
    };
  };
}

export interface Service extends Manifest {
  readonly spec: {
    readonly selector?: Labels;
    readonly ports?: readonly {
      readonly name?: string;
      readonly port: number;
      readonly targetPort?: number | string;
    }[];
  };
}

export interface ConfigMap extends Manifest {
  readonly data?: Readonly<Record<string, string>>;
}

export interface KafkaTopic extends Manifest {
  readonly spec: {
    readonly partitions: number;
    readonly replicas: number;
    readonly config?: Readonly<Record<string, string | number | boolean>>;
  };
}

/** The kinds that the rules look into, and what they take for granted in them. */
export interface Kinds {
  readonly ConfigMap: ConfigMap;
  readonly Deployment: Workload;
  readonly HTTPRoute: Manifest & {
    readonly spec: {
      readonly rules?: readonly {
        readonly timeouts?: { readonly request?: string; readonly backendRequest?: string };
        readonly backendRefs?: readonly { readonly name: string; readonly port?: number }[];
      }[];
    };
  };
  readonly HorizontalPodAutoscaler: Manifest & {
    readonly spec: {
      readonly scaleTargetRef: { readonly kind: string; readonly name: string };
      readonly metrics?: readonly {
        readonly pods?: { readonly target: { readonly averageValue?: string } };
      }[];
    };
  };
  readonly KafkaTopic: KafkaTopic;
  readonly KafkaUser: Manifest & {
    readonly spec: {
      readonly authorization?: {
        readonly acls: readonly {
          readonly resource: {
            readonly type: string;
            readonly name?: string;
            readonly patternType?: string;
          };
          readonly operations: readonly string[];
        }[];
      };
    };
  };
  readonly NetworkPolicy: Manifest & {
    readonly spec: {
      readonly podSelector: Selector;
      readonly ingress?: readonly PolicyRule[];
      readonly egress?: readonly PolicyRule[];
    };
  };
  readonly PodDisruptionBudget: Manifest & { readonly spec: { readonly selector: Selector } };
  readonly PodMonitor: Manifest & {
    readonly spec: {
      readonly selector: Selector;
      readonly podMetricsEndpoints: readonly { readonly port?: string }[];
    };
  };
  readonly Service: Service;
  readonly ServiceAccount: Manifest;
  readonly ServiceMonitor: Manifest & {
    readonly spec: {
      readonly selector: Selector;
      readonly endpoints: readonly { readonly port?: string }[];
    };
  };
}

export interface PolicyPeer {
  readonly podSelector?: Selector;
  /** Pods of other namespaces. */
  readonly namespaceSelector?: Selector;
}

export interface PolicyRule {
  readonly to?: readonly PolicyPeer[];
  readonly from?: readonly PolicyPeer[];
  readonly ports?: readonly { readonly port?: number | string }[];
}

/** Throws where the text is no YAML, or a document of it is no object of a cluster. */
export function parseManifests(text: string, place: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new Error(`${place}: ${error.message}`);
    const value: unknown = document.toJS();
    if (value === null) return [];
    if (!isManifest(value))
      throw new Error(`${place}: a document has no apiVersion, kind and name`);
    return [value];
  });
}

export function ofKind<Kind extends keyof Kinds>(set: ManifestSet, kind: Kind): Kinds[Kind][] {
  return set.manifests.filter((manifest): manifest is Kinds[Kind] => manifest.kind === kind);
}

/** An empty selector means everybody; expressions are not looked at, and match nobody of ours. */
export function selects(selector: Selector | Labels | undefined, labels: Labels = {}): boolean {
  if (selector === undefined) return false;
  const { matchLabels, matchExpressions } = selector as Selector;
  if (matchExpressions !== undefined) return false;
  const isPlain = matchLabels === undefined && Object.keys(selector).length > 0;
  const wanted = isPlain ? (selector as Labels) : (matchLabels ?? {});
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

export function selectedBy(set: ManifestSet, selector: Selector | Labels | undefined): Workload[] {
  return ofKind(set, "Deployment").filter(({ spec }) =>
    selects(selector, spec.template.metadata.labels),
  );
}

/** What a container's environment holds: its config maps' options, and its own over them. */
export function environmentOf(set: ManifestSet, container: Container): Record<string, string> {
  const maps = (container.envFrom ?? []).flatMap(({ configMapRef }) =>
    ofKind(set, "ConfigMap").filter(({ metadata }) => metadata.name === configMapRef?.name),
  );
  const values: Record<string, string> = {};
  for (const { data } of maps) Object.assign(values, data);
  for (const { name, value, valueFrom } of container.env ?? []) {
    const text = value ?? FIELDS[valueFrom?.fieldRef?.fieldPath ?? ""] ?? "";
    values[name] = text.replace(/\$\((\w+)\)/g, (whole, other: string) => values[other] ?? whole);
  }
  return values;
}

/** What the cluster fills in, with values of the same shape. */
const FIELDS: Readonly<Record<string, string>> = {
  "metadata.name": "edge-6d5f7c9b8-x2x4z",
  "metadata.namespace": "millrace",
  "status.podIP": "10.1.2.3",
};

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== "object" || value === null) return false;
  const { apiVersion, kind, metadata } = value as Partial<Manifest>;
  return (
    typeof apiVersion === "string" && typeof kind === "string" && typeof metadata?.name === "string"
  );
}
