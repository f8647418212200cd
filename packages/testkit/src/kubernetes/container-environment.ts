import { ApiError, type KubernetesApi } from "./kubernetes-api.ts";
import type { ConfigMap, Container, EnvFrom, EnvVar, KubernetesObject, Pod } from "./objects.ts";

type Values = Record<string, string>;

interface Secret extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** What fields of a pod a container may be told. */
interface Facts {
  readonly pod: Pod;
  readonly podAddress: string;
}

const NOT_FOUND = 404;

/** Reads a container's environment as a kubelet does when it starts the container. */
export class ContainerEnvironment {
  readonly #api: KubernetesApi;

  constructor(api: KubernetesApi) {
    this.#api = api;
  }

  /** Rejects where something that it names is missing: such a container does not start. */
  async read(container: Container, facts: Facts): Promise<Values> {
    const values: Values = {};
    for (const source of container.envFrom ?? []) {
      Object.assign(values, await this.#allOf(source, facts));
    }
    // In their order: each may name those before it.
    for (const variable of container.env ?? []) {
      const value = await this.#valueOf(variable, facts, values);
      if (value !== undefined) values[variable.name] = value;
    }
    return values;
  }

  async #allOf({ prefix = "", configMapRef, secretRef }: EnvFrom, { pod }: Facts): Promise<Values> {
    const data =
      configMapRef === undefined
        ? await this.#secret(pod, secretRef?.name ?? "", secretRef?.optional)
        : await this.#configMap(pod, configMapRef.name, configMapRef.optional);
    return Object.fromEntries(Object.entries(data).map(([name, value]) => [prefix + name, value]));
  }

  async #valueOf(
    { name, value = "", valueFrom }: EnvVar,
    facts: Facts,
    before: Values,
  ): Promise<string | undefined> {
    if (valueFrom === undefined) return expand(value, before);
    const { fieldRef, configMapKeyRef: inMap, secretKeyRef: inSecret } = valueFrom;
    if (fieldRef !== undefined) return fieldOf(fieldRef.fieldPath, facts);
    const ref = inMap ?? inSecret;
    if (ref === undefined) throw new Error(`${name}: nothing here knows where its value is from`);
    const data =
      inMap === undefined
        ? await this.#secret(facts.pod, ref.name, ref.optional)
        : await this.#configMap(facts.pod, ref.name, ref.optional);
    const found = data[ref.key];
    if (found === undefined && ref.optional !== true)
      throw new Error(`no ${ref.key} in ${ref.name}`);
    return found;
  }

  async #configMap(pod: Pod, name: string, isOptional = false): Promise<Values> {
    const { data = {} } = await this.#read<ConfigMap>(pod, `configmaps/${name}`, isOptional);
    return data;
  }

  async #secret(pod: Pod, name: string, isOptional = false): Promise<Values> {
    const { data = {} } = await this.#read<Secret>(pod, `secrets/${name}`, isOptional);
    const texts = Object.entries(data).map(([key, value]) => {
      return [key, Buffer.from(value, "base64").toString()] as const;
    });
    return Object.fromEntries(texts);
  }

  async #read<Source>(pod: Pod, path: string, isOptional: boolean): Promise<Partial<Source>> {
    const namespace = pod.metadata.namespace ?? "default";
    try {
      return await this.#api.get<Source & object>(`/api/v1/namespaces/${namespace}/${path}`);
    } catch (error) {
      if (isOptional && error instanceof ApiError && error.status === NOT_FOUND) return {};
      throw error;
    }
  }
}

/** `$(NAME)` is the value of one before it; `$$(NAME)` is the text `$(NAME)`, an unknown name stays. */
export function expand(text: string, values: Readonly<Values>): string {
  return text.replaceAll(/\$(\$?)\(([^()]+)\)/g, (whole, escape: string, name: string) => {
    if (escape === "$") return `$(${name})`;
    return values[name] ?? whole;
  });
}

function fieldOf(path: string, { pod, podAddress }: Facts): string {
  const { metadata, spec } = pod;
  const fields: Values = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace ?? "default",
    "metadata.uid": metadata.uid ?? "",
    "spec.nodeName": spec.nodeName ?? "",
    "status.podIP": podAddress,
    "status.hostIP": "127.0.0.1",
  };
  const label = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (label !== null) return metadata[label[1] as "labels" | "annotations"]?.[label[2] ?? ""] ?? "";
  const value = fields[path];
  if (value === undefined) throw new Error(`nothing here knows the field ${path}`);
  return value;
}
