import { expect, test } from "vitest";
import { environment } from "./environment.ts";
import { projectOf } from "./project.ts";

const text = 'const a = 1;\nconst url = process.env["EDGE_REDIS_URL"];';

test("a module that reads the environment is named with its line", () => {
  const findings = environment(projectOf({ "services/edge/src/session/redis.ts": text }));
  expect(findings).toMatchObject([{ file: "services/edge/src/session/redis.ts", line: 2 }]);
});

test("config files, scripts, the testkit and tests may read it", () => {
  const files = [
    "services/edge/src/config.ts",
    "scripts/start.ts",
    "packages/testkit/src/kafka-jars.ts",
    "vitest.config.ts",
    "services/edge/src/edge.kafka.test.ts",
  ];
  expect(environment(projectOf(Object.fromEntries(files.map((file) => [file, text]))))).toEqual([]);
});
