#!/usr/bin/env node
// Plain Node on purpose: `npx millrace` works in a checkout before anything is installed.
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { ensureInstalled, refuseOldNode } from "./installation.mjs";
import { runningProducts } from "./running-products.mjs";
import { signToken } from "./token.mjs";

const SCOPE = "millrace:admin";
/** A failure of the command line, as services/control/src/cli/failure.ts makes them. */
const FAILED = 1;

/** All rights of an operator, who is called as on this machine: for the audit. */
function operatorToken() {
  return signToken({ user: operatorName(), scope: SCOPE, read: ["*"], write: ["*"] });
}

function operatorName() {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that has no name.
    return "operator";
  }
}

/** What runs in this checkout, as the command line wants to know it. */
function findProduct(dataFolder, fail) {
  const [product, ...others] = runningProducts({ dataFolder });
  if (product === undefined) {
    const where = dataFolder === undefined ? "in this checkout" : `with the data in ${dataFolder}`;
    return fail(`No product runs ${where}.`, "Start it with npm start, or give --control URL.");
  }
  if (others.length > 0) {
    process.stderr.write(
      `${others.length + 1} products run here; this asks the newest, with the data in ` +
        `${product.dataFolder} (--data chooses another)\n`,
    );
  }
  return placesOf(product, fail);
}

function placesOf({ readyFile, pid }, fail) {
  let ready;
  try {
    ready = JSON.parse(readFileSync(readyFile, "utf8"));
  } catch {
    // It is written when everything serves.
    return fail(`The product (pid ${pid}) is not ready.`, "Try again in a moment.");
  }
  if (ready.control === undefined) {
    return fail(`The product (pid ${pid}) runs no control.`, "End it, and start it anew.");
  }
  const clientUrls = ready.edges.map(({ ws }) => ws);
  return { control: ready.control.http, token: operatorToken, clientUrls };
}

async function main() {
  if (refuseOldNode()) return FAILED;
  const code = await ensureInstalled();
  if (code !== 0) return code;
  const { register } = await import("tsx/esm/api");
  register();
  const { CliFailure, runThisProcess } =
    await import("../services/control/src/cli/this-process.ts");
  const fail = (message, advice) => {
    throw new CliFailure(message, { advice });
  };
  return runThisProcess({
    environment: process.env,
    findProduct: (dataFolder) => findProduct(dataFolder, fail),
  });
}

process.exitCode = await main();
