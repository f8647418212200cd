import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { generateChat, readChat } from "./replay/chat-line.ts";
import { type Progress, Replay } from "./replay/replay.ts";

const USAGE = `usage: node --import tsx scripts/replay.ts [options]

Sends a recorded chat through the running product, one WebSocket for each sender.

  --ready-file F   where the product's places stand (default .millrace/ready.json)
  --file F         NDJSON, also .gz: conversation, at (ms), sender, text; without it a generated chat
  --speed N|max    multiple of the recorded pace (default 1)
  --count N        messages to generate without a file (default 10000)
  --receivers N    receivers of each conversation, who write down what they get (default 1)
  --churn          one of them loses its line again and again, and resumes on any edge
  --out DIR        where the logs for npm run verify go (default .millrace/replay)
  --seed N         for all that is random here (default 1)
  --json           the report as one line of JSON`;

const { values } = parseArgs({
  options: {
    "ready-file": { type: "string", default: ".millrace/ready.json" },
    file: { type: "string" },
    speed: { type: "string", default: "1" },
    count: { type: "string", default: "10000" },
    receivers: { type: "string", default: "1" },
    churn: { type: "boolean", default: false },
    out: { type: "string", default: ".millrace/replay" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const ready = JSON.parse(readFileSync(values["ready-file"], "utf8")) as {
    readonly edges: readonly { readonly ws: string }[];
  };
  const seed = Number(values.seed);
  const { file, speed } = values;
  const lines =
    file === undefined ? generateChat(seed, Number(values.count)) : await readChat(file);
  const replay = new Replay({
    edges: ready.edges.map(({ ws }) => ws),
    lines,
    speed: speed === "max" ? undefined : Number(speed),
    receivers: Number(values.receivers),
    churn: values.churn,
    out: values.out,
    seed,
    onProgress: showProgress,
  });
  const report = await replay.run();
  if (process.stderr.isTTY) process.stderr.write("\n");
  if (values.json) console.log(JSON.stringify(report));
  else
    for (const [name, value] of Object.entries(report)) console.log(`${name.padEnd(16)}${value}`);
  return report.isComplete ? 0 : 1;
}

const BAR_WIDTH = 20;

let shown = { published: 0, atMs: performance.now() };

function showProgress({ published, total, received, publishMs }: Progress): void {
  const atMs = performance.now();
  const rate = Math.round(((published - shown.published) * 1_000) / (atMs - shown.atMs));
  shown = { published, atMs };
  const share = published / Math.max(1, total);
  const bar = "█".repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, "░");
  const counts = `${published}/${total}  ${rate}/s  pubd ${publishMs} ms  received ${received}`;
  const line = `replay ${bar} ${Math.floor(share * 100)} %  ${counts}`;
  process.stderr.write(process.stderr.isTTY ? `\r${line}   ` : `${line}\n`);
}

// Beside npm start it ends with it.
process.on("disconnect", () => process.exit(1));
process.exit(await main());
