import { type ManifestSet, environmentOf, ofKind } from "./manifest.ts";

const OWN = /^PROXY_/;

/** Every value that the template leaves open is given where it is mounted, and no other. */
export function proxyTemplate(set: ManifestSet): string[] {
  const templates = ofKind(set, "ConfigMap").flatMap(({ metadata, data = {} }) =>
    Object.entries(data)
      .filter(([file]) => file.endsWith(".template"))
      .map(([, text]) => ({ name: metadata.name, text })),
  );
  return templates.flatMap(({ name, text }) =>
    ofKind(set, "Deployment")
      .filter(({ spec }) =>
        spec.template.spec.volumes?.some(({ configMap }) => configMap?.name === name),
      )
      .flatMap(({ metadata, spec }) =>
        spec.template.spec.containers
          .flatMap((container) => templateFindings(text, environmentOf(set, container)))
          .map((message) => `${metadata.name}: ${message}`),
      ),
  );
}

/** What an environment lacks for a template, and what it has too much. */
export function templateFindings(
  text: string,
  environment: Readonly<Record<string, unknown>>,
): string[] {
  const wanted = new Set([...text.matchAll(/\$\{(PROXY_\w+)\}/g)].map(([, name = ""]) => name));
  const given = Object.keys(environment).filter((name) => OWN.test(name));
  return [
    ...[...wanted]
      .filter((name) => !(name in environment))
      .map((name) => `the template of nginx wants ${name}`),
    ...given
      .filter((name) => !wanted.has(name))
      .map((name) => `the template of nginx knows no ${name}`),
  ];
}
