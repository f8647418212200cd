import type { Clock, Logger } from "@millrace/runtime";
import { MissingPart } from "@millrace/testkit";
import { signToken } from "../token.mjs";
import { lockDataFolder } from "./data-lock.ts";
import { refuseUnconfirmedWipe } from "./fresh.ts";
import { edgePlaces } from "./places.ts";
import { Product, endAllChildren } from "./product.ts";
import type { ReadyFile } from "./ready-file.ts";
import { type Replay, isReplayAvailable, startReplay } from "./replay.ts";
import { type Screen, createScreen } from "./screen.ts";
import { type StartOptions, USAGE, parseStart } from "./start-options.ts";
import { StartRefusal } from "./start-refusal.ts";
import { StopWish } from "./stop-wish.ts";
import type { EnsureTopic } from "./topic-settings.ts";

export interface StartDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ensureTopic: EnsureTopic;
  /** Another script than the edge's own: for tests. */
  readonly edgeMain?: string;
}

const UNUSABLE = 2;

/** `npm start`, from its command line to its exit code. */
export async function runStart(
  args: readonly string[],
  dependencies: StartDependencies,
): Promise<number> {
  const command = parseStart(args, process.env);
  if (command.kind === "help") {
    console.log(USAGE);
    return 0;
  }
  if (command.kind === "unusable") return refuseUsage(command.problem);
  if (command.options.replay !== undefined && !isReplayAvailable()) {
    return refuseUsage("--replay is not available yet");
  }
  const stopWish = listen(dependencies.clock);
  try {
    const lock = lockDataFolder(command.options.dataFolder);
    process.once("exit", () => lock.release());
    await serve(command.options, dependencies, stopWish);
    return 0;
  } catch (error) {
    console.error(`\nnpm start failed: ${messageOf(error)}`);
    await endAllChildren();
    return 1;
  }
}

function refuseUsage(problem: string): number {
  console.error(`${problem}\n\n${USAGE}`);
  return UNUSABLE;
}

function listen(clock: Clock): StopWish {
  const stopWish = new StopWish({ clock, source: process, onSecond: endAtOnce });
  // Listening to the launcher's end must not keep this process from ending.
  process.channel?.unref();
  // A reader of the screen that goes away is no reason to leave what was started behind.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  return stopWish;
}

function endAtOnce(exitCode: number): void {
  void endAllChildren().then(() => process.exit(exitCode));
}

async function serve(
  options: StartOptions,
  dependencies: StartDependencies,
  stopWish: StopWish,
): Promise<void> {
  refuseUnconfirmedWipe(options);
  const places = await edgePlaces(options.edges, options.port);
  const { clock } = dependencies;
  const screen = createScreen({
    write: (text) => process.stdout.write(text),
    nowMs: () => clock.nowMs(),
    isTerminal: process.stdout.isTTY,
  });
  const product = new Product(options, { ...dependencies, screen }, places);
  const sinceMs = clock.nowMs();
  const ready = await startOrGiveUp(product, stopWish);
  if (ready === undefined) return;
  const tookS = ((clock.nowMs() - sinceMs) / 1000).toFixed(1);
  screen.show(`\n${readyText(ready, { tookS, logs: product.logFolder })}`);
  const replay = options.replay && startReplay(options.replay, product.ownReadyFile, screen);
  await stopWish.requested;
  await stop(product, replay, screen);
}

/** Undefined when the wish to end came first; whatever ends the start ends what it has started. */
async function startOrGiveUp(product: Product, stopWish: StopWish): Promise<ReadyFile | undefined> {
  let ready: ReadyFile | undefined;
  try {
    ready = (await Promise.race([product.start(), stopWish.requested])) ?? undefined;
    return ready;
  } finally {
    if (ready === undefined) await product.stop();
  }
}

async function stop(product: Product, replay: Replay | undefined, screen: Screen): Promise<void> {
  screen.tell("stopping; once more ends everything at once");
  await screen.step("stopped", async () => {
    await replay?.stop();
    await product.stop();
  });
}

function readyText(
  { edges, proxy = [], kafka, redis, registry }: ReadyFile,
  { tookS, logs }: { readonly tookS: string; readonly logs: string },
): string {
  const lines = [
    `Millrace serves, after ${tookS} s.`,
    "",
    ...edges.map(({ id, ws, metrics }) => `  ${id.padEnd(9)} ${ws}   metrics ${metrics}`),
    ...proxy.map(({ ws, caFile }) => `  balancer  ${ws}   trusted by ${caFile}`),
    `  Kafka     ${kafka.brokers.join(",")} (${kafka.source})`,
    `  Redis     ${hostOf(redis.url)} (${redis.source})`,
    ...(registry ? [`  schemas   ${registry.http}`] : []),
    `  logs      ${logs}`,
    "",
    "  chat      npm run chat -- --as alice room:lobby",
    "  token     npm run -s token -- alice          (one to paste, for an hour:)",
    "",
    signToken({ user: "alice" }),
    "",
    "Ctrl-C ends everything; the data stay.",
  ];
  return lines.join("\n");
}

/** Without user and password. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "";
}

/** Alone for what a user can put right, with its stack for what nobody expected. */
function messageOf(error: unknown): string {
  if (error instanceof StartRefusal || error instanceof MissingPart) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
