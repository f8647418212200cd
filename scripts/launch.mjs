// Plain Node on purpose: this is what runs before anything is installed.
import { existsSync } from "node:fs";
import { ROOT, ensureInstalled, refuseOldNode, run } from "./installation.mjs";

async function main([name = "", ...args]) {
  if (refuseOldNode()) return 1;
  const script = `${ROOT}scripts/${name}.ts`;
  if (!/^[a-z0-9-]+$/.test(name) || !existsSync(script)) {
    process.stderr.write(`there is no scripts/${name}.ts to launch\n`);
    return 2;
  }
  const code = await ensureInstalled();
  if (code !== 0) return code;
  // The channel tells a script that wants to know it when this process is gone.
  const stdio = ["inherit", "inherit", "inherit", "ipc"];
  return run(process.execPath, ["--import", "tsx", script, ...args], stdio);
}

process.exitCode = await main(process.argv.slice(2));
