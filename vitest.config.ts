import { defineConfig } from "vitest/config";
import { ClosingLine } from "./packages/testkit/src/closing-line.ts";
import { mutantModules } from "./services/edge/src/testing/mutant-modules.ts";

const FOLDERS = "{schemas,packages,services,scripts,test}/**";
const SERVICES = "./packages/testkit/src/vitest-services.ts";
const SEED = "./packages/testkit/src/vitest-seed.ts";
const EXCLUDE = ["**/node_modules/**"];

/** A test with real processes that fails on a busy machine is tried so often again. */
const RETRIES = Number(process.env["MILLRACE_TEST_RETRIES"] ?? 0);

/**
 * One project for each kind of test: docs/style.md says what a file's name promises. Tests wait
 * for conditions; the time-outs only end one that hangs, on a machine of any speed.
 */
export default defineConfig({
  test: {
    setupFiles: [SEED],
    reporters: ["default", new ClosingLine()],
    projects: [
      {
        extends: true,
        plugins: [mutantModules()],
        test: {
          name: "unit",
          include: [`${FOLDERS}/*.test.ts`],
          exclude: [...EXCLUDE, "**/*.{kafka,fault,k8s}.test.ts"],
          testTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "kafka",
          retry: RETRIES,
          include: [`${FOLDERS}/*.kafka.test.ts`],
          exclude: EXCLUDE,
          globalSetup: [SERVICES],
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "fault",
          retry: RETRIES,
          include: [`${FOLDERS}/*.fault.test.ts`],
          exclude: EXCLUDE,
          globalSetup: [SERVICES],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          // Each of these files has processes of its own, and some measure what a stop costs: they
          // have the machine for themselves, once all the others are done.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "k8s",
          retry: RETRIES,
          include: [`${FOLDERS}/*.k8s.test.ts`],
          exclude: EXCLUDE,
          globalSetup: [SERVICES],
          testTimeout: 900_000,
          // Kubernetes is built in the first one, once on a machine.
          hookTimeout: 1_800_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
