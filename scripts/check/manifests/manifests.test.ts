import { readFileSync, readdirSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Project, projectOf } from "../project.ts";
import { REDIS_LEAST } from "../../../services/edge/src/testing/redis-least.ts";
import { parseManifests } from "./manifest.ts";
import { manifestFindings } from "./manifest-rules.ts";
import { baseAsWritten, unusedFiles } from "./manifest-sets.ts";
import { nginxPatience } from "./proxy-patience.ts";
import { exampleFindings, secretFindings } from "./secret-references.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

function kubernetesFiles(): Record<string, string> {
  const paths = ["k8s", "infra/nginx"]
    .flatMap((folder) => readdirSync(`${ROOT}${folder}`, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(ROOT.length));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(`${ROOT}${path}`, "utf8")]));
}

const FILES = kubernetesFiles();

/** The base with one text in one file replaced by another. */
function changed(file: string, from: string, to: string): Project {
  const path = posix.join("k8s/base", file);
  const text = FILES[path] ?? "";
  expect(text, `${path} has "${from}"`).toContain(from);
  return projectOf({ ...FILES, [path]: text.replaceAll(from, to) });
}

function findingsAfter(file: string, from: string, to: string): string[] {
  return manifestFindings(baseAsWritten(changed(file, from, to)));
}

it("The base as it is written fits itself and the code, and no file of it is left out", () => {
  const project = projectOf(FILES);
  expect(manifestFindings(baseAsWritten(project))).toEqual([]);
  expect(unusedFiles(project)).toEqual([]);
});

describe("A defect of the manifests is found:", () => {
  const DEFECTS: readonly [what: string, file: string, from: string, to: string, told: RegExp][] = [
    [
      "a grace period that the drain does not fit in",
      "edge/deployment.yaml",
      "terminationGracePeriodSeconds: 60",
      "terminationGracePeriodSeconds: 45",
      /is 45, wanted 55/,
    ],
    [
      "a drain that outgrew the grace period",
      "edge/edge.env",
      "EDGE_DRAIN_MS=30000",
      "EDGE_DRAIN_MS=60000",
      /is 60, wanted 85/,
    ],
    [
      "a preStop that proxies have no time in",
      "edge/deployment.yaml",
      "seconds: 10",
      "seconds: 1",
      /preStop sleeps 1 s/,
    ],
    [
      "an option that there is not",
      "edge/edge.env",
      "EDGE_LOG_LEVEL=info",
      "EDGE_LOGLEVEL=info",
      /EDGE_LOGLEVEL is no option/,
    ],
    [
      "a value that no option takes",
      "edge/edge.env",
      "EDGE_DELIVERY=direct",
      "EDGE_DELIVERY=both",
      /wanted: direct, relay/,
    ],
    [
      "an option that must be given and is not",
      "edge/edge.env",
      "EDGE_ISSUER=https://issuer.example.com\n",
      "",
      /EDGE_ISSUER is missing/,
    ],
    [
      "links of services that would be read as options",
      "edge/deployment.yaml",
      "enableServiceLinks: false",
      "enableServiceLinks: true",
      /enableServiceLinks/,
    ],
    [
      "a liveness that asks about others",
      "edge/deployment.yaml",
      "path: /healthz",
      "path: /readyz",
      /livenessProbe asks more/,
    ],
    [
      "a probe of a path that nobody answers",
      "edge/deployment.yaml",
      "path: /readyz",
      "path: /ready",
      /asks \/ready;/,
    ],
    [
      "a probe of a port that there is not",
      "edge/deployment.yaml",
      "port: ws",
      "port: http",
      /asks port http/,
    ],
    [
      "a container port that a Service counts on",
      "edge/deployment.yaml",
      "name: admin",
      "name: operators",
      /no container has port admin/,
    ],
    [
      "a Service that selects nobody",
      "edge/service.yaml",
      "app.kubernetes.io/name: edge",
      "app.kubernetes.io/name: edges",
      /Service edge: no container/,
    ],
    [
      "a route to a Service's port that there is not",
      "gateway/route.yaml",
      "port: 80",
      "port: 8080",
      /there is no Service edge:8080/,
    ],
    [
      "a route that cuts what pings keep open",
      "gateway/route.yaml",
      "request: 0s",
      "request: 20s",
      /request of 20s is not above/,
    ],
    [
      "an autoscaler of something that there is not",
      "edge/horizontal-pod-autoscaler.yaml",
      "    name: edge",
      "    name: edges",
      /there is no Deployment edges/,
    ],
    [
      "a number of replicas that fights the autoscaler",
      "edge/deployment.yaml",
      "revisionHistoryLimit: 5",
      "replicas: 3",
      /which its autoscaler decides/,
    ],
    [
      "a budget that guards nobody",
      "edge/pod-disruption-budget.yaml",
      "app.kubernetes.io/name: edge",
      "app.kubernetes.io/name: edge-0",
      /PodDisruptionBudget edge: selects nobody/,
    ],
    [
      "a policy that lets in to another port",
      "redis/network-policy.yaml",
      "port: redis",
      "port: 6380",
      /lets in to port 6380/,
    ],
    [
      "a policy that lets out to another port",
      "edge/network-policy.yaml",
      "port: 6379",
      "port: 6380",
      /lets out to port 6380/,
    ],
    [
      "a policy for labels that nobody has",
      "control/network-policy.yaml",
      "app.kubernetes.io/name: edge",
      "app.kubernetes.io/name: edges",
      /nobody has the labels/,
    ],
    [
      "a monitor of a port that there is not",
      "monitoring/pod-monitors.yaml",
      "port: metrics",
      "port: prometheus",
      /PodMonitor edge: no container/,
    ],
    [
      "a config map that nobody makes",
      "edge/kustomization.yaml",
      "- name: edge",
      "- name: options",
      /there is no ConfigMap edge/,
    ],
    [
      "a volume that is mounted and not there",
      "edge/deployment.yaml",
      "        - name: redis-credentials\n          secret",
      "        - name: redis\n          secret",
      /mounts redis-credentials/,
    ],
    [
      "a topic with too few replicas",
      "kafka/topics.yaml",
      "replicas: 3",
      "replicas: 2",
      /replication\.factor is 2, wanted 3 or more/,
    ],
    [
      "a topic that keeps less than is promised",
      "kafka/topics.yaml",
      "cleanup.policy: compact,delete",
      "cleanup.policy: compact",
      /chat\.cursors: cleanup\.policy/,
    ],
    [
      "a topic that nobody makes",
      "kafka/topics.yaml",
      "name: chat.audit",
      "name: chat.audits",
      /there is no KafkaTopic chat\.audit/,
    ],
    [
      "a right that is missing",
      "kafka/users.yaml",
      "operations: [Read, Write, DescribeConfigs]",
      "operations: [Read, DescribeConfigs]",
      /edge: lacks topic chat\.messages: DescribeConfigs, Read, Write/,
    ],
    [
      "a right too many",
      "kafka/users.yaml",
      "operations: [Read]",
      "operations: [Read, Delete]",
      /analyst: may topic chat\.messages: Delete, Read/,
    ],
    [
      "an nginx that gives up on edges too early",
      "../../infra/nginx/nginx.conf.template",
      "proxy_read_timeout 75s",
      "proxy_read_timeout 45s",
      /proxy_read_timeout of 45s/,
    ],
    [
      "an option of control that there is not",
      "control/control.env",
      "CONTROL_TOPIC",
      "CONTROL_TOPICS",
      /CONTROL_TOPICS is no option/,
    ],
    [
      "a memory that too few connections fit in",
      "edge/deployment.yaml",
      "memory: 4Gi",
      "memory: 2Gi",
      /is scaled at 9000 connections, and holds/,
    ],
    [
      "a memory that others may have",
      "edge/deployment.yaml",
      'cpu: "1"\n              memory: 4Gi',
      'cpu: "1"\n              memory: 1Gi',
      /asks for less memory/,
    ],
    [
      "a memory beyond the container's",
      "edge/edge.env",
      "EDGE_MEMORY_MB=0",
      "EDGE_MEMORY_MB=8000",
      /EDGE_MEMORY_MB is more/,
    ],
    [
      "a value that nginx's template wants",
      "load-balancer/deployment.yaml",
      "PROXY_SHUTDOWN",
      "PROXY_SHUTDOWNS",
      /wants PROXY_SHUTDOWN[^]*knows no PROXY_SHUTDOWNS/,
    ],
  ];

  it.each(DEFECTS)("%s", (...[, file, from, to, told]) => {
    expect(findingsAfter(file, from, to).join("\n")).toMatch(told);
  });

  it("a file that no kustomization names", () => {
    expect(unusedFiles(changed("edge/kustomization.yaml", "  - service.yaml\n", ""))).toEqual([
      "k8s/base/edge/service.yaml",
    ]);
  });
});

const EXAMPLES = parseManifests(FILES["k8s/secrets.example.yaml"] ?? "", "example");

it("Whatever secret is referred to stands in the example, without its value, or is made", () => {
  const base = baseAsWritten(projectOf(FILES));
  expect(secretFindings(base, EXAMPLES)).toEqual([]);
  expect(exampleFindings(EXAMPLES)).toEqual([]);
});

it("A secret that nobody makes, or whose value is in the tree, is found", () => {
  const text =
    "apiVersion: v1\nkind: Secret\nmetadata: { name: s }\nstringData: { password: hush }";
  const secrets = parseManifests(text, "test");
  expect(secretFindings({ place: "test", manifests: secrets }, EXAMPLES)).toEqual([
    "test: the secret s is in the tree",
  ]);
  expect(exampleFindings(secrets)).toEqual(["s: password has a value"]);
  const project = changed("edge/deployment.yaml", "secretName: edge-redis", "secretName: redis");
  expect(secretFindings(baseAsWritten(project), EXAMPLES)).toEqual([
    "k8s/base: nobody makes the secret redis",
  ]);
  const gateway = changed("gateway/gateway.yaml", "name: millrace-tls", "name: tls");
  expect(secretFindings(baseAsWritten(gateway), EXAMPLES)).toEqual([
    "k8s/base: nobody makes the secret tls",
  ]);
});

it("Redis is given the rights that edges are tested with, and no others", () => {
  const acl = FILES["k8s/secrets.example.yaml"]?.match(/user edge on .*/)?.[0] ?? "";
  expect(acl.match(/\+\S+/g)?.toSorted()).toEqual(REDIS_LEAST.toSorted());
});

it("An nginx that cuts silent lines before two pings are late is found, also by its default", () => {
  expect(nginxPatience("proxy_read_timeout 75s;\nproxy_send_timeout 2m;", 25)).toEqual([]);
  expect(nginxPatience("proxy_read_timeout 40s;", 25)).toEqual([
    "proxy_read_timeout of 40s is less than 2 × EDGE_PING_MS",
    "proxy_send_timeout is not set",
  ]);
});
