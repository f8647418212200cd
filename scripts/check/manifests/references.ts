import {
  type Labels,
  type ManifestSet,
  type PolicyRule,
  type Selector,
  ofKind,
  selectedBy,
  selects,
} from "./manifest.ts";
import { hasPort } from "./probes.ts";

type Rule = (set: ManifestSet) => string[];

/** The label of pods that an operator makes: of these no Deployment says anything. */
const FOREIGN = "strimzi.io/cluster";

const RULES: readonly Rule[] = [
  workloads,
  services,
  routes,
  autoscalers,
  budgets,
  policies,
  podMonitors,
  serviceMonitors,
];

/** Whatever names something else names something that is there: selectors, ports, targets. */
export function references(set: ManifestSet): string[] {
  return RULES.flatMap((rule) => rule(set));
}

function workloads(set: ManifestSet): string[] {
  const accounts = new Set(ofKind(set, "ServiceAccount").map(({ metadata }) => metadata.name));
  const maps = new Set(ofKind(set, "ConfigMap").map(({ metadata }) => metadata.name));
  return ofKind(set, "Deployment").flatMap(({ metadata, spec: { selector, template } }) => {
    const { serviceAccountName, containers, volumes = [] } = template.spec;
    const messages = [];
    if (!selects(selector, template.metadata.labels)) messages.push("selects not its own pods");
    if (serviceAccountName !== undefined && !accounts.has(serviceAccountName)) {
      messages.push(`there is no ServiceAccount ${serviceAccountName}`);
    }
    const wanted = [
      ...volumes.map(({ configMap }) => configMap?.name),
      ...containers.flatMap(({ envFrom = [] }) => envFrom.map((from) => from.configMapRef?.name)),
    ];
    const volumeNames = new Set(volumes.map(({ name }) => name));
    messages.push(
      ...wanted
        .filter((name) => name !== undefined && !maps.has(name))
        .map((name) => `there is no ConfigMap ${name}`),
      ...containers
        .flatMap(({ volumeMounts = [] }) => volumeMounts)
        .filter(({ name }) => !volumeNames.has(name))
        .map(({ name }) => `mounts ${name}, which is no volume`),
    );
    return messages.map((message) => `Deployment ${metadata.name}: ${message}`);
  });
}

function services(set: ManifestSet): string[] {
  return ofKind(set, "Service").flatMap(({ metadata, spec: { selector, ports = [] } }) =>
    ports
      .filter(({ port, targetPort = port }) => !isServed(set, selector, targetPort))
      .map(
        ({ port, targetPort = port }) =>
          `Service ${metadata.name}: no container has port ${targetPort}`,
      ),
  );
}

function routes(set: ManifestSet): string[] {
  return ofKind(set, "HTTPRoute").flatMap(({ metadata, spec: { rules = [] } }) =>
    rules
      .flatMap(({ backendRefs = [] }) => backendRefs)
      .filter(({ name, port }) => {
        const service = ofKind(set, "Service").find((other) => other.metadata.name === name);
        return !service?.spec.ports?.some((other) => other.port === port);
      })
      .map(({ name, port }) => `HTTPRoute ${metadata.name}: there is no Service ${name}:${port}`),
  );
}

function autoscalers(set: ManifestSet): string[] {
  return ofKind(set, "HorizontalPodAutoscaler").flatMap(({ metadata, spec }) => {
    const { kind, name } = spec.scaleTargetRef;
    const target = set.manifests.find(
      (other) => other.kind === kind && other.metadata.name === name,
    );
    if (!target) return [`HorizontalPodAutoscaler ${metadata.name}: there is no ${kind} ${name}`];
    // Whoever applies it again would set the autoscaler's number back.
    const hasNumber = "spec" in target && "replicas" in (target.spec as object);
    return hasNumber ? [`${kind} ${name}: has replicas, which its autoscaler decides`] : [];
  });
}

function budgets(set: ManifestSet): string[] {
  return ofKind(set, "PodDisruptionBudget")
    .filter(({ spec }) => selectedBy(set, spec.selector).length === 0)
    .map(({ metadata }) => `PodDisruptionBudget ${metadata.name}: selects nobody`);
}

function policies(set: ManifestSet): string[] {
  return ofKind(set, "NetworkPolicy").flatMap(({ metadata, spec }) => {
    const { podSelector, ingress = [], egress = [] } = spec;
    const rules = [...ingress, ...egress];
    const into = ingress.flatMap(portsOf).filter((port) => !isServed(set, podSelector, port));
    const out = egress.flatMap((rule) => unservedPorts(set, rule));
    return [
      ...[podSelector, ...rules.flatMap(ownPeers)]
        .filter((selector) => isNobody(set, selector))
        .map((selector) => `nobody has the labels ${JSON.stringify(selector)}`),
      ...into.map((port) => `lets in to port ${port}, which no container has`),
      ...out.map((port) => `lets out to port ${port}, which no container there has`),
    ].map((message) => `NetworkPolicy ${metadata.name}: ${message}`);
  });
}

function podMonitors(set: ManifestSet): string[] {
  return ofKind(set, "PodMonitor").flatMap(({ metadata, spec }) =>
    spec.podMetricsEndpoints
      .filter(({ port }) => !isServed(set, spec.selector, port))
      .map(({ port }) => `PodMonitor ${metadata.name}: no container has port ${port}`),
  );
}

function serviceMonitors(set: ManifestSet): string[] {
  return ofKind(set, "ServiceMonitor").flatMap(({ metadata, spec }) => {
    const found = ofKind(set, "Service").filter((service) =>
      selects(spec.selector, service.metadata.labels),
    );
    return spec.endpoints
      .filter(
        ({ port }) =>
          !found.some((service) => service.spec.ports?.some(({ name }) => name === port)),
      )
      .map(({ port }) => `ServiceMonitor ${metadata.name}: no Service has port ${port}`);
  });
}

function portsOf({ ports = [] }: PolicyRule): (number | string)[] {
  return ports.flatMap(({ port }) => (port === undefined ? [] : [port]));
}

/** Whom a rule without peers lets out to is not ours to look into. */
function unservedPorts(set: ManifestSet, rule: PolicyRule): (number | string)[] {
  const peers = ownPeers(rule);
  return portsOf(rule).filter((port) => peers.some((selector) => !isServed(set, selector, port)));
}

/** Those of this namespace. */
function ownPeers({ from = [], to = [] }: PolicyRule): Selector[] {
  return [...from, ...to].flatMap(({ podSelector, namespaceSelector }) =>
    namespaceSelector === undefined ? (podSelector ?? []) : [],
  );
}

function isNobody(set: ManifestSet, selector: Selector): boolean {
  if (selector.matchExpressions !== undefined || isForeign(selector)) return false;
  return selectedBy(set, selector).length === 0;
}

function isForeign(selector: Selector | Labels | undefined): boolean {
  return FOREIGN in ((selector as Selector | undefined)?.matchLabels ?? {});
}

/** A container of those that are selected has the port; what an operator makes is believed. */
function isServed(
  set: ManifestSet,
  selector: Selector | Labels | undefined,
  port: number | string | undefined,
): boolean {
  if (isForeign(selector)) return true;
  return selectedBy(set, selector).some(({ spec }) =>
    spec.template.spec.containers.some((container) => hasPort(container, port)),
  );
}
