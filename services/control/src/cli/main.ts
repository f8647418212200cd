import { runThisProcess } from "./this-process.ts";

process.exitCode = await runThisProcess({ environment: process.env });
