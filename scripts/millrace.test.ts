import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeJwt } from "jose";
import { afterEach, beforeEach, expect, it } from "vitest";
import { StubControl } from "../services/control/src/cli/testing/stub-control.ts";
import { announceProduct } from "./running-products.mjs";

const SCRIPT = fileURLToPath(new URL("./millrace.mjs", import.meta.url));

let folder = "";
let control: StubControl;
let takeBack = (): void => undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-cli-"));
  control = await StubControl.open();
});
afterEach(() => {
  takeBack();
  control.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...args: readonly string[]) {
  const child = spawn(process.execPath, [SCRIPT, ...args, "--data", folder], {
    env: { ...process.env, MILLRACE_CONTROL: "", MILLRACE_TOKEN: "" },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (text) => (out += text));
  child.stderr.on("data", (text) => (err += text));
  const code = await new Promise((resolve) => child.once("close", resolve));
  return { code, out, err };
}

/** As an npm start would; the oldest of all, so that it is in nobody's way. */
function announce(): string {
  const readyFile = join(folder, "ready.json");
  takeBack = announceProduct({ dataFolder: folder, readyFile, startedAtMs: 0 });
  return readyFile;
}

it("the checkout's command asks the product that runs there, with an operator's token", async () => {
  const ready = { control: { http: control.url }, edges: [{ ws: "ws://127.0.0.1:1/v1/connect" }] };
  writeFileSync(announce(), JSON.stringify(ready));
  control.when("GET /v1/edges", { body: { edges: [] } });
  expect(await run("edges", "--json")).toEqual({ code: 0, out: '{"edges":[]}\n', err: "" });
  expect(decodeJwt(control.asked[0]?.token ?? "")).toMatchObject({
    scope: "millrace:admin",
    millrace: { read: ["*"], write: ["*"] },
  });
});

it("where nothing runs, or not yet, it says so and what to do", async () => {
  expect(await run("status")).toMatchObject({
    code: 1,
    err: `No product runs with the data in ${folder}.\nStart it with npm start, or give --control URL.\n`,
  });
  announce();
  expect(await run("status")).toMatchObject({
    code: 1,
    err: `The product (pid ${process.pid}) is not ready.\nTry again in a moment.\n`,
  });
});
