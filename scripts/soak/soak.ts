import { seededRandom } from "@millrace/runtime";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ChatLine, generateChat, readChat } from "../replay/chat-line.ts";
import { Replay, type Report } from "../replay/replay.ts";
import { type Fault, faultPlan } from "./fault-plan.ts";
import type { SoakOptions } from "./soak-options.ts";
import { SoakedProduct } from "./soaked-product.ts";
import { type Trend, Trends } from "./trend.ts";
import { LiveVerifier, type VerifyResult, audit } from "./verifier.ts";

const SAMPLE_MS = 2_000;
const TELL_S = 10;

/** One receiver subscribes to that many conversations at most, and they are read by few. */
const CONVERSATIONS_MAX = 300;

/** After the last fault everything that was sent is answered and received within that time. */
const CATCH_UP_MS = 300_000;

export interface SoakResult {
  readonly isProved: boolean;
  readonly seed: number;
  readonly minutes: number;
  readonly faults: readonly FaultDone[];
  readonly replay: Report;
  /** Of the live verification, which runs through all faults. */
  readonly liveCode: number;
  readonly verify: VerifyResult;
  readonly trends: readonly Trend[];
}

export interface FaultDone {
  readonly atS: number;
  readonly kind: Fault["kind"];
  readonly edge: string | undefined;
  readonly freezeMs: number | undefined;
  readonly isDone: boolean;
}

/** One soak, from the start of the product to its end. */
export class Soak {
  readonly #options: SoakOptions;
  readonly #tell: (line: string) => void;
  readonly #trends = new Trends();
  readonly #faults: FaultDone[] = [];
  readonly #startMs = performance.now();
  readonly #ended = new AbortController();

  constructor(options: SoakOptions, tell: (line: string) => void) {
    this.#options = options;
    this.#tell = tell;
  }

  async run(): Promise<SoakResult> {
    const { dataFolder: folder, edges, port, seed, minutes } = this.#options;
    const dataFolder = resolve(folder);
    mkdirSync(dataFolder, { recursive: true });
    this.#tell(`seed ${seed}: ${minutes} minutes of faults with ${edges} edges in ${folder}`);
    const lines = await this.#lines();
    const product = await SoakedProduct.start({ dataFolder, edges, port });
    const place = { readyFile: product.readyFile, logs: resolve(dataFolder, "logs-of-receivers") };
    const replay = this.#replay(product, lines, place.logs);
    const live = new LiveVerifier(place, TELL_S);
    const sampling = setInterval(() => this.#sample(product), SAMPLE_MS);
    try {
      const replaying = replay.run();
      await Promise.race([this.#hurt(product), replaying]);
      await product.whenServing();
      const report = await Promise.race([replaying, tooLate(this.#ended.signal)]);
      const liveCode = await live.end();
      const verify = await audit(place);
      const isWhole = report.isComplete && verify.unjudged === 0;
      const isProved = verify.isProved && isWhole && liveCode === 0;
      const [faults, trends] = [this.#faults, this.#trends.all];
      return { isProved, seed, minutes, faults, replay: report, liveCode, verify, trends };
    } finally {
      this.#ended.abort();
      clearInterval(sampling);
      live.kill();
      await product.stop();
    }
  }

  #replay(product: SoakedProduct, lines: readonly ChatLine[], out: string): Replay {
    const { receivers, seed } = this.#options;
    let toldMs = performance.now();
    return new Replay({
      edges: product.places.edges.map(({ ws }) => ws),
      lines,
      speed: 1,
      receivers,
      churn: receivers > 1,
      slow: true,
      out,
      seed,
      onProgress: ({ published, total, received, publishMs }) => {
        if (performance.now() - toldMs < TELL_S * 1_000) return;
        toldMs = performance.now();
        const counts = `published ${published}/${total}  received ${received}`;
        this.#tell(`${counts}  pubd ${publishMs} ms`);
      },
    });
  }

  /** As many as are sent in that time, at that rate. */
  async #lines(): Promise<ChatLine[]> {
    const { file, seed, rate, minutes } = this.#options;
    const count = Math.ceil(minutes * 60 * rate);
    const all = file === undefined ? generateChat(seed, count) : await readChat(file);
    const conversations = new Set<string>();
    const some = all.filter(({ conversation }) => {
      if (conversations.size < CONVERSATIONS_MAX) conversations.add(conversation);
      return conversations.has(conversation);
    });
    return Array.from({ length: count }, (_, index) => {
      const line = some[index % some.length];
      if (line === undefined) throw new Error("there is nothing to say");
      return { ...line, at: (index * 1_000) / rate };
    });
  }

  async #hurt(product: SoakedProduct): Promise<void> {
    const { seed, faults: kinds, edges, everyMs, minutes } = this.#options;
    const endMs = performance.now() + minutes * 60_000;
    for (const fault of faultPlan({ random: seededRandom(seed), kinds, edges, everyMs })) {
      if (performance.now() + fault.waitMs + fault.freezeMs > endMs) break;
      await sleep(fault.waitMs);
      if (this.#ended.signal.aborted) return;
      const atS = Math.round((performance.now() - this.#startMs) / 1_000);
      const { kind } = fault;
      const edge = kind.startsWith("edge") ? `edge-${fault.edge + 1}` : undefined;
      const freezeMs = kind.endsWith("freeze") ? fault.freezeMs : undefined;
      this.#tell(`fault at ${atS} s: ${kind} ${edge ?? ""} ${freezeMs ?? ""}`.trimEnd());
      const isDone = await product.hurt(fault);
      this.#faults.push({ atS, kind, edge, freezeMs, isDone });
    }
  }

  #sample(product: SoakedProduct): void {
    const pids = product.pids.set("soak", process.pid);
    this.#trends.sample(pids, performance.now());
  }
}

/** Rejects after the patience is over; an end before that leaves nothing behind. */
async function tooLate(signal: AbortSignal): Promise<never> {
  await sleep(CATCH_UP_MS, undefined, { signal, ref: false }).catch(() => undefined);
  throw new Error(`not all was received ${CATCH_UP_MS / 1_000} s after the last fault`);
}
