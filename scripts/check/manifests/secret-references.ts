import { type Manifest, type ManifestSet, ofKind } from "./manifest.ts";

/** Of Strimzi: the brokers' authority, in each namespace of a cluster. */
const AUTHORITY = "-cluster-ca-cert";

/**
 * Every secret that is referred to is made by Strimzi or stands in the example, and none is in the
 * set itself: what is in the tree is no secret.
 */
export function secretFindings(set: ManifestSet, examples: readonly Manifest[]): string[] {
  const clusters = set.manifests.filter(({ kind }) => kind === "Kafka");
  const known = new Set([
    ...clusters.map(({ metadata }) => `${metadata.name}${AUTHORITY}`),
    ...ofKind(set, "KafkaUser").map(({ metadata }) => metadata.name),
    ...examples.map(({ metadata }) => metadata.name),
  ]);
  const unknown = [...new Set(secretNames(set.manifests))].filter((name) => !known.has(name));
  return [
    ...unknown.map((name) => `nobody makes the secret ${name}`),
    ...set.manifests
      .filter(({ kind }) => kind === "Secret")
      .map(({ metadata }) => `the secret ${metadata.name} is in the tree`),
  ].map((message) => `${set.place}: ${message}`);
}

/** What an example says must be no secret: nothing, or words in place of one. */
export function exampleFindings(examples: readonly Manifest[]): string[] {
  return examples.flatMap(({ metadata, ...rest }) => {
    const { data, stringData = {} } = rest as unknown as {
      data?: unknown;
      stringData?: Readonly<Record<string, string>>;
    };
    const secret = Object.entries(stringData).filter(
      ([key, value]) => value !== "" && key !== "username" && !value.includes("PASSWORD_SHA256"),
    );
    const names = data === undefined ? secret.map(([key]) => key) : ["data"];
    return names.map((name) => `${metadata.name}: ${name} has a value`);
  });
}

/** Volumes name one by `secretName`, or by `secret.name`; a Gateway by its certificate. */
function secretNames(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    if (key === "secretName" && typeof inner === "string") return [inner];
    if (key === "secret" || key === "certificateRefs")
      return [...namesIn(inner), ...secretNames(inner)];
    return secretNames(inner);
  });
}

function namesIn(value: unknown): string[] {
  const items = Array.isArray(value) ? (value as unknown[]) : [value];
  return items.flatMap((item) => {
    const { name } = item as { name?: unknown };
    return typeof name === "string" ? [name] : [];
  });
}
