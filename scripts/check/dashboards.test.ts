import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { dashboards } from "./dashboards.ts";
import { projectOf } from "./project.ts";

const EDGE = "infra/grafana/edge.json";
const FLEET = "infra/grafana/fleet.json";
const RECORDING = "infra/prometheus/recording-rules.yaml";

const FILES = Object.fromEntries(
  [EDGE, FLEET, RECORDING].map((file) => [
    file,
    readFileSync(new URL(`../../${file}`, import.meta.url), "utf8"),
  ]),
);

/** The project with one thing called otherwise in one file. */
function renamed(file: string, name: string, other: string): ReturnType<typeof projectOf> {
  return projectOf({ ...FILES, [file]: (FILES[file] ?? "").replaceAll(name, other) });
}

it("The edge's dashboard shows every metric of the edge, and both nothing else", () => {
  expect(dashboards(projectOf(FILES))).toEqual([]);
});

it("A metric that the dashboard misspells, or does not show, is found", () => {
  expect(dashboards(renamed(EDGE, "millrace_redis_up", "millrace_redis_upp"))).toEqual([
    { file: EDGE, message: 'no page of an edge has "millrace_redis_upp"' },
    { file: EDGE, message: 'shows nothing of "millrace_redis_up"' },
  ]);
});

it("The fleet's dashboard may leave metrics out, and may not misspell them", () => {
  expect(dashboards(renamed(FLEET, "millrace_redis_up", "millrace_redis_upp"))).toEqual([
    { file: FLEET, message: 'no page of an edge has "millrace_redis_upp"' },
  ]);
});

it("A record that no rule makes is found", () => {
  const name = "millrace:slo_budget_left:ratio30d";
  expect(dashboards(renamed(RECORDING, name, "millrace:budget"))).toEqual([
    { file: FLEET, message: `no rule records "${name}"` },
  ]);
});

it("A metric of the process that no page has is found, and a missing dashboard", () => {
  expect(dashboards(renamed(EDGE, "process_open_fds", "process_open_files"))).toEqual([
    { file: EDGE, message: 'no page of an edge has "process_open_files"' },
  ]);
  expect(dashboards(projectOf({}))).toEqual([
    { file: EDGE, message: "is missing" },
    { file: FLEET, message: "is missing" },
  ]);
});
