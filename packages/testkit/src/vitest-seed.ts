import { configureGlobal } from "fast-check";

/**
 * Makes every run of the fuzz tests the same run, so that a change is judged by what it changes.
 * `FUZZ_SEED=<integer> npm test` looks elsewhere; a failure prints its seed.
 */
configureGlobal({ seed: Number(process.env["FUZZ_SEED"] ?? 1) });
