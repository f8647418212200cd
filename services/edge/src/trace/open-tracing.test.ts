import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { silentLogger, systemClock } from "@millrace/runtime";
import { expect, it } from "vitest";
import { openTracing } from "./open-tracing.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" };

const parts = { edgeId: "edge-1", logger: silentLogger, clock: systemClock };

it.each([
  ["nothing is said", {}],
  ["only a sampler is named", { OTEL_TRACES_SAMPLER: "always_on" }],
  ["spans should go, but nobody says where", { OTEL_TRACES_EXPORTER: "otlp" }],
  ["an empty address is given", { OTEL_EXPORTER_OTLP_ENDPOINT: "" }],
  ["they are switched off by name", { ...ENDPOINT, OTEL_TRACES_EXPORTER: "none" }],
  ["the SDK is switched off", { ...ENDPOINT, OTEL_SDK_DISABLED: "true" }],
  ["another exporter is wanted", { ...ENDPOINT, OTEL_TRACES_EXPORTER: "zipkin" }],
])("Traces are off where %s", async (_, environment) => {
  expect(await openTracing(environment, parts)).toBeUndefined();
});

it.each([
  ["an address is given", ENDPOINT],
  [
    "an address for traces alone is given",
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: ENDPOINT.OTEL_EXPORTER_OTLP_ENDPOINT },
  ],
  ["log lines are wanted", { OTEL_TRACES_EXPORTER: "console" }],
])("Traces are on where %s", async (_, environment) => {
  const tracing = await openTracing(environment, parts);
  expect(tracing).toBeDefined();
  await tracing?.close(1_000);
});

it("While traces are off, an edge loads nothing of their SDK", async () => {
  const script = `
    import { createRequire } from "node:module";
    import { openTracing } from "./services/edge/src/trace/open-tracing.ts";
    await import("./services/edge/src/edge.ts");
    const logger = { info: () => undefined, warn: () => undefined };
    const { cache } = createRequire(import.meta.url);
    const count = () => Object.keys(cache).filter((file) => /opentelemetry.(sdk|exporter|core)/.test(file)).length;
    await openTracing({}, { edgeId: "edge-1", logger });
    const off = count();
    await openTracing({ OTEL_TRACES_EXPORTER: "console" }, { edgeId: "edge-1", logger });
    console.log(off, count() > 0);
    process.exit(0);
  `;
  const args = ["--import", "tsx", "--input-type=module", "-e", script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
  expect(stdout.trim()).toBe("0 true");
});
