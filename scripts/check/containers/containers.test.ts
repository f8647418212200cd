import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Project, projectOf, readProject } from "../project.ts";
import { composeRules } from "./compose-rules.ts";
import { ignoreRule } from "./image-contents.ts";
import { copiesOf, stagesOf } from "./image-recipe.ts";
import { imageRules } from "./image-rules.ts";

const PROJECT = readProject(fileURLToPath(new URL("../../../", import.meta.url)));

type Defect = readonly [what: string, file: string, from: string, to: string, told: RegExp];

/** The project with one text in one file replaced by another. */
function changed(file: string, from: string, to: string): Project {
  const text = PROJECT.files.get(file) ?? "";
  expect(text, `${file} has "${from}"`).toContain(from);
  return projectOf({ ...Object.fromEntries(PROJECT.files), [file]: text.replaceAll(from, to) });
}

it("The images hold what their mains import, and what compose.yaml names is there", () => {
  expect(imageRules(PROJECT)).toEqual([]);
  expect(composeRules(PROJECT)).toEqual([]);
});

describe("A defect of the images is found:", () => {
  const FILE = "infra/docker/Dockerfile";
  const DEFECTS: readonly Defect[] = [
    [
      "a workspace that is not copied",
      FILE,
      "COPY packages/log packages/log\n",
      "",
      /packages\/log\/src\/index\.ts is not in the image/,
    ],
    [
      "a file that .dockerignore keeps out",
      ".dockerignore",
      "**/*.md",
      "**/limits.ts",
      /services\/edge\/src\/limits\.ts is not in the image/,
    ],
    [
      "a development dependency that is imported",
      "services/edge/package.json",
      `"ioredis": "6.0.0",`,
      "",
      /ioredis is no dependency of @millrace\/edge in production/,
    ],
    [
      "an entry that a workspace does not have",
      "services/edge/src/main.ts",
      "@millrace/runtime",
      "@millrace/runtime/deep",
      /@millrace\/runtime\/deep is no entry/,
    ],
    [
      "a source that is not there",
      FILE,
      "COPY package.json ./",
      "COPY packages.json ./",
      /packages\.json is not there to be copied/,
    ],
    [
      "a stage that there is not",
      FILE,
      "--from=control-packages",
      "--from=controls",
      /there is no stage controls before it/,
    ],
    ["a base of no version", FILE, "node:24-trixie-slim", "node:latest", /node:latest is neither/],
    ["a user that is root, or may be", FILE, "USER 1000:1000", "USER node", /USER is node/],
    [
      "an image that nobody can ask for its health",
      FILE,
      "HEALTHCHECK",
      "ONBUILD",
      /edge: has no HEALTHCHECK/,
    ],
    [
      "a command that starts something else",
      FILE,
      `CMD ["node", "services/edge/src/main.ts"]`,
      "CMD npm start",
      /starts no file of node/,
    ],
  ];

  it.each(DEFECTS)("%s", (...[, file, from, to, told]) => {
    expect(imageRules(changed(file, from, to)).join("\n")).toMatch(told);
  });
});

describe("A defect of compose.yaml is found:", () => {
  const FILE = "infra/compose.yaml";
  const DEFECTS: readonly Defect[] = [
    [
      "an option that there is not",
      FILE,
      "EDGE_DRAIN_MS: 30000",
      "EDGE_DRAIN: 30000",
      /EDGE_DRAIN is no option/,
    ],
    [
      "an image without a version",
      FILE,
      "valkey/valkey:9.0",
      "valkey/valkey:latest",
      /valkey\/valkey:latest has no version/,
    ],
    [
      "an image that the Dockerfile does not make",
      FILE,
      "target: control",
      "target: controls",
      /there is no image controls/,
    ],
    [
      "a service that is waited for and not there",
      FILE,
      "redis: { condition",
      "valkey: { condition",
      /waits for valkey, which is none/,
    ],
    [
      "a service that nobody asks for its health",
      FILE,
      '    healthcheck:\n      test: ["CMD", "valkey-cli", "ping"]\n',
      "    x-none:\n",
      /waits for the health of redis/,
    ],
    [
      "a file that is mounted and not there",
      FILE,
      "./grafana/edge.json:",
      "./grafana/edges.json:",
      /there is no infra\/grafana\/edges\.json/,
    ],
    [
      "a volume that is not declared",
      FILE,
      "keys:/keys:ro",
      "key:/keys:ro",
      /there is no volume key/,
    ],
    [
      "a value that nginx's template wants",
      FILE,
      "PROXY_SHUTDOWN:",
      "PROXY_STOP:",
      /wants PROXY_SHUTDOWN/,
    ],
    ["a port for everybody", FILE, "127.0.0.1:9090:9090", "9090:9090", /on all addresses/],
    [
      "a service without a bound for its memory",
      FILE,
      "mem_limit: 64m",
      "shm_size: 64m",
      /ticket-key: has no mem_limit/,
    ],
  ];

  it.each(DEFECTS)("%s", (...[, file, from, to, told]) => {
    expect(composeRules(changed(file, from, to)).join("\n")).toMatch(told);
  });
});

it("A Dockerfile is read with its arguments, its comments and its long lines", () => {
  const [lists, image] = stagesOf(
    "# syntax=x\nARG BASE=node:24\nFROM ${BASE} AS lists\nRUN a \\\n  # why\n  && b\n" +
      "FROM lists\nCOPY --from=lists --chown=1 /a /b /c/\n",
  );
  expect(lists).toEqual({
    name: "lists",
    from: "node:24",
    instructions: [{ word: "RUN", rest: "a && b" }],
  });
  expect(image?.from).toBe("lists");
  expect(image && copiesOf(image)).toEqual([
    { from: "lists", sources: ["/b", "/a"], target: "/c/" },
  ]);
});

it("Of .dockerignore the last line that fits decides", () => {
  const isIgnored = ignoreRule("*\n!src\n**/*.test.ts\n**/testing\n# why\n");
  const paths = ["a.ts", "src/a.ts", "src/deep/a.test.ts", "src/testing/b.ts"];
  expect(paths.map((path) => isIgnored(path))).toEqual([true, false, true, true]);
});
