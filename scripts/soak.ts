import { messageOf } from "@millrace/runtime";
import { commandOptions } from "./command-options.ts";
import { type SoakOptions, USAGE, readSoakOptions } from "./soak/soak-options.ts";
import { Soak, type SoakResult } from "./soak/soak.ts";

async function main(options: SoakOptions): Promise<number> {
  let result: SoakResult;
  try {
    result = await new Soak(options, (line) => console.error(line)).run();
  } catch (error) {
    console.error(`the soak failed: ${messageOf(error)}`);
    return 1;
  }
  if (options.isJson) console.log(JSON.stringify(result));
  else showResult(result);
  return result.isProved ? 0 : 1;
}

function showResult({
  isProved,
  seed,
  faults,
  replay,
  liveCode,
  verify,
  trends,
}: SoakResult): void {
  const { messages, publishMsP50, publishMsP99, received, isComplete } = replay;
  const { counts, told, repeatedKeys } = verify;
  const figures = {
    isProved,
    seed,
    faults: faults.filter(({ isDone }) => isDone).length,
    messages,
    publishMsP50,
    publishMsP99,
    received,
    isComplete,
    told,
    repeatedKeys,
    ...counts,
    liveCode,
  };
  for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(16)}${value}`);
  console.log("\nprocess     minutes      MB  MB/minute  descriptors  per minute  flat");
  for (const trend of trends) {
    const { residentMb, residentMbPerMinute, descriptors, descriptorsPerMinute, isFlat } = trend;
    const cells = [trend.minutes, residentMb, residentMbPerMinute, descriptors];
    const text = cells.map((cell, index) => String(cell).padStart([9, 8, 11, 13][index] ?? 0));
    const flat = isFlat === undefined ? "too young" : isFlat ? "yes" : "no";
    const last = `${String(descriptorsPerMinute).padStart(12)}  ${flat}`;
    console.log(`${trend.name.padEnd(10)}${text.join("")}${last}`);
  }
  for (const offence of verify.offences) console.error(`OFFENCE ${offence}`);
}

process.exit(await main(commandOptions(readSoakOptions, USAGE)));
