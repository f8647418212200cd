import { expect, test } from "vitest";
import { machineTraces } from "./machine-traces.ts";
import { projectOf } from "./project.ts";

function found(text: string, file = "a.ts"): string[] {
  return machineTraces(projectOf({ [file]: text })).map(({ message }) => message);
}

test("a path of one machine is found, in code and docs alike", () => {
  expect(found('const folder = "/home/alice/millrace";')).toHaveLength(1);
  expect(found("cd /work/main", "docs/a.md")).toHaveLength(1);
  expect(found("C:\\Users\\alice", "docs/a.md")).toHaveLength(1);
  expect(found("file:///opt/kafka")).toHaveLength(1);
});

test("paths below the checkout and URLs pass", () => {
  expect(
    found('get("https://example.org/home/alice"); join(root, "services/work/main.ts")'),
  ).toEqual([]);
  expect(found("`file:///${root}` and ./home/alice and ~/work/a")).toEqual([]);
});

test("a note to oneself is found", () => {
  expect(found("// TODO: later")).toHaveLength(1);
});

test("a path that leads out of the checkout is found in the docs", () => {
  expect(found("see ../../elsewhere/a.md", "docs/a.md")).toHaveLength(1);
  expect(found("see [a](../../schemas/src)", "docs/decisions/a.md")).toEqual([]);
});
