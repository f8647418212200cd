import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { dashboards } from "./dashboards.ts";
import { projectOf } from "./project.ts";

const FILE = "infra/grafana/edge.json";
const TEXT = readFileSync(new URL("../../infra/grafana/edge.json", import.meta.url), "utf8");

it("The dashboard shows every metric of the edge, and nothing else", () => {
  expect(dashboards(projectOf({ [FILE]: TEXT }))).toEqual([]);
});

it("A metric that the dashboard misspells, or does not show, is found", () => {
  const text = TEXT.replaceAll("millrace_redis_up", "millrace_redis_upp");
  expect(dashboards(projectOf({ [FILE]: text }))).toEqual([
    { file: FILE, message: 'no page of an edge has "millrace_redis_upp"' },
    { file: FILE, message: 'shows nothing of "millrace_redis_up"' },
  ]);
});

it("A metric of the process that no page has is found, and a missing dashboard", () => {
  const text = TEXT.replaceAll("process_open_fds", "process_open_files");
  expect(dashboards(projectOf({ [FILE]: text }))).toEqual([
    { file: FILE, message: 'no page of an edge has "process_open_files"' },
  ]);
  expect(dashboards(projectOf({}))).toEqual([{ file: FILE, message: "is missing" }]);
});
