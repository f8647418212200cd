import { credentialsIn } from "@millrace/runtime";
import { commandOptions } from "./command-options.ts";
import { follow } from "./verify/follow.ts";
import { Proceeding } from "./verify/proceeding.ts";
import { resultOf, tableOf } from "./verify/result.ts";
import { USAGE, type VerifyOptions, readVerifyOptions } from "./verify/verify-options.ts";

async function main(options: VerifyOptions): Promise<number> {
  const { brokers, topic, logs, isJson } = options;
  const folder = process.env["KAFKA_SECURITY_DIR"] ?? "";
  const credentials = folder !== "" && { credentials: credentialsIn(folder) };
  const { strictKeys, isComplete, gapsAllowed } = options;
  const proceeding = new Proceeding({
    folder: logs,
    place: { brokers, topic, ...credentials },
    judge: { strictKeys, isComplete, gapsAllowed, owed: "acknowledged" },
  });
  if (options.follow === undefined) while (await proceeding.round());
  else {
    const { forMs, everyMs } = options.follow;
    await follow(proceeding, { intervalMs: everyMs, stop: stopAfter(forMs), tell: console.error });
  }
  if (!proceeding.hasAcknowledged) {
    console.error(`there is no published.ndjson in ${logs}`);
    return 2;
  }
  const verdict = await proceeding.finish();
  const { receivers } = proceeding;
  if (isJson) console.log(JSON.stringify(resultOf(verdict, receivers)));
  else {
    console.log(tableOf(verdict, receivers));
    for (const { where, c, text } of verdict.offences)
      console.error(`OFFENCE ${where} ${c}: ${text}`);
  }
  await proceeding.close();
  return verdict.isProved ? 0 : 1;
}

/** Ctrl-C, a SIGTERM, or that time; a second Ctrl-C ends at once. */
function stopAfter(ms: number | undefined): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => stopping.abort());
  }
  if (ms !== undefined) setTimeout(() => stopping.abort(), ms);
  return stopping.signal;
}

process.exit(await main(commandOptions(readVerifyOptions, USAGE)));
