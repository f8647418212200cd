import type { Mutant } from "./mutants.ts";

const MARK = "relay/bucket-mark.ts";
const PARTITION = "relay/relayed-partition.ts";
const SENDER = "relay/relay-sender.ts";

/** What a hurried hand could write into the relay. */
export const RELAY_MUTANTS: readonly Mutant[] = [
  {
    name: "a piece is taken although something before it is missing",
    file: MARK,
    from: '    if (base > this.#covered) return "beyond";\n',
    to: "",
  },
  {
    name: "what was covered before turns the mark back",
    file: MARK,
    from: '    if (next <= this.#covered) return "known";\n',
    to: "",
  },
  {
    name: "a piece of another incarnation is taken",
    file: MARK,
    from: '    if (epoch !== this.epoch) return "foreign";\n',
    to: "",
  },
  {
    name: "what is known of a piece that overlaps is handed on again",
    file: PARTITION,
    from: "piece.records.filter(({ offset }) => offset >= covered)",
    to: "piece.records.filter(({ offset }) => offset >= 0n || covered)",
  },
  {
    name: "what was relayed is handed on again when it is read",
    file: PARTITION,
    from: "return covered !== undefined && offset >= covered;",
    to: "return covered !== undefined && offset >= 0n;",
  },
  {
    name: "a missing piece is no reason to look at the log",
    file: PARTITION,
    from: 'if (verdict === "beyond" || verdict === "foreign" || isLower) followed.isDoubted = true;',
    to: "if (isLower) followed.isDoubted = true;",
  },
  {
    name: "silence is no reason to look at the log",
    file: "relay/followed-bucket.ts",
    from: "return isDoubted || nowMs - relayedMs > SILENCE_MS;",
    to: "return isDoubted || nowMs < relayedMs;",
  },
  {
    name: "the log is read from its newest known place on, whatever is missing",
    file: PARTITION,
    from: "      if (mark.covered < lowest.offset) lowest = told(mark.epoch, this.partition, mark.covered);\n",
    to: "",
  },
  {
    name: "a tail that is beyond what is missing is left alone",
    file: PARTITION,
    from: "if (this.#direct !== undefined && isLow) return;",
    to: "if (this.#direct !== undefined) return;",
  },
  {
    name: "marks survive a jump of the log",
    file: PARTITION,
    from: "      followed.mark = new BucketMark(position.epoch, position.offset);\n",
    to: "",
  },
  {
    name: "what is relayed is taken in a pause",
    file: PARTITION,
    from: "this.#isStopped || this.#isPaused) return;",
    to: "this.#isStopped) return;",
  },
  {
    name: "a tail that begins in a pause reads on",
    file: PARTITION,
    from: "    if (this.#isPaused) this.#direct.pause();\n",
    to: "",
  },
  {
    name: "what nobody heard is claimed with the next piece",
    file: SENDER,
    from: "      else bucketAt(run, bucket).said = next;\n",
    to: "",
  },
  {
    name: "what others relayed meanwhile is claimed by who owns it now",
    file: SENDER,
    from: "return this.#leaveToOthers(run);",
    to: "return;",
  },
  {
    name: "an owner that is cut off from the log goes on saying that nothing comes",
    file: SENDER,
    from: "if (!this.isRelaying(partition) || !this.#options.isHeard(partition)) continue;",
    to: "if (!this.isRelaying(partition)) continue;",
  },
];
