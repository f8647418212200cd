import { readFileSync } from "node:fs";

const DASHBOARDS = ["edge", "fleet"] as const;

/** What a panel asks Prometheus, with something in place of what Grafana puts in. */
export function dashboardQueries(): string[] {
  return DASHBOARDS.flatMap((name) => {
    const file = new URL(`../../infra/grafana/${name}.json`, import.meta.url);
    return queriesIn(JSON.parse(readFileSync(file, "utf8")));
  }).map((query) => query.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/g, "any"));
}

function queriesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    key === "expr" && typeof inner === "string" ? [inner] : queriesIn(inner),
  );
}
