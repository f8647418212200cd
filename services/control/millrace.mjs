#!/usr/bin/env node
// The command line outside of a checkout: MILLRACE_CONTROL and MILLRACE_TOKEN say where and as whom.
if (process.features.typescript === undefined || process.features.typescript === false) {
  // A Node that does not run TypeScript by itself.
  const { register } = await import("tsx/esm/api");
  register();
}
await import("./src/cli/main.ts");
