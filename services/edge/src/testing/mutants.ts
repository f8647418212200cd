import { RELAY_MUTANTS } from "./relay-mutants.ts";

/** A small fault in the code between log and socket, as a change of its text. */
export interface Mutant {
  readonly name: string;
  /** Under `services/edge/src`. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly from: string;
  readonly to: string;
}

/** What a hurried hand could write; the property must find each of them. */
export const MUTANTS: readonly Mutant[] = [
  ...RELAY_MUTANTS,
  {
    name: "told moves although the frame was dropped",
    file: "hub/subscriber.ts",
    from: "    this.discarded();\n    return false;",
    to: "    this.#told = position;\n    return false;",
  },
  {
    name: "what was discarded stays queued",
    file: "hub/subscriber.ts",
    from: "    this.#queued = this.#told;\n",
    to: "",
  },
  {
    name: "a discard is no rewind",
    file: "hub/subscriber.ts",
    from: "    this.#rewinds += 1;\n",
    to: "",
  },
  {
    name: "a live subscriber stays live when the socket is full",
    file: "hub/subscriber.ts",
    from: '    if (this.#state === "live") this.fallBehind();\n',
    to: "",
  },
  {
    name: "prev is always the shared one",
    file: "hub/subscriber.ts",
    from: "isInStep ? shared : message.encode(this.#queued.text)",
    to: "isInStep ? shared : shared",
  },
  {
    name: "a message that was told already is offered again",
    file: "hub/subscriber.ts",
    from: "    if (message.told.offset <= this.#queued.offset) return;\n",
    to: "",
  },
  {
    name: "a hub stays without subscribers",
    file: "hub/hubs.ts",
    from: "    if (this.#hubs.get(hub.conversation) === hub) this.#delete(hub);\n",
    to: "",
  },
  {
    name: "a hub stays when its tail jumps",
    file: "hub/hubs.ts",
    from: "      if (hub.partition !== partition) continue;\n      this.#delete(hub);\n",
    to: "      if (hub.partition !== partition) continue;\n",
  },
  {
    name: "a jump of the tail is told nobody",
    file: "tail/partition-tail.ts",
    from: "    hubs.break(this.partition);\n",
    to: "",
  },
  {
    name: "live begins where a partition is found for the first time",
    file: "tail/tails.ts",
    from: "return tail.runStart;",
    to: "return tail.position;",
  },
  {
    name: "a hub's last position stands still while nobody is live",
    file: "hub/hub.ts",
    from: "      this.#last = position;\n      return 0;",
    to: "      return 0;",
  },
  {
    name: "a client's own word is enough to join",
    file: "catchup/catch-up.ts",
    from: "    if (!isConfirmed && cursor.offset > tail.offset) return false;\n",
    to: "",
  },
  {
    name: "a stale incarnation is trusted",
    file: "catchup/catch-up.ts",
    from: "cursor.epoch !== hub.last.epoch || cursor.partition",
    to: "cursor.partition",
  },
  {
    name: "it joins before it has read up to the hub",
    file: "catchup/catch-up.ts",
    from: "    return cursor.offset >= hub.last.offset;",
    to: "    return cursor.offset + 1n >= hub.last.offset;",
  },
  {
    name: "live is told at the hub's position, whatever was told before",
    file: "catchup/catch-up.ts",
    from: "queued.offset > hub.last.offset ? queued : hub.last",
    to: "queued.offset > hub.last.offset ? hub.last : hub.last",
  },
  {
    name: "a skip is told without its gap",
    file: "catchup/catch-up.ts",
    from: "    else if (!this.#gap(subscriber, progress, gap)) return;\n",
    to: "    else progress.cursor = last;\n",
  },
  {
    name: "after a rewind reading goes on where it was",
    file: "catchup/catch-up.ts",
    from: "      Object.assign(progress, this.#progressFrom(subscriber));\n",
    to: "      progress.rewinds = subscriber.rewinds;\n",
  },
  {
    name: "after a rewind the next record is skipped",
    file: "catchup/catch-up.ts",
    from: "      cursor: subscriber.told,\n",
    to: "      cursor: subscriber.rewinds === 0 ? subscriber.told : told(subscriber.told.epoch, subscriber.told.partition, subscriber.told.offset + 1n),\n",
  },
  {
    name: "holes in the offsets are waited for",
    file: "catchup/catch-up.ts",
    from: "    progress.cursor = told(epoch, partition, upTo);\n",
    to: "",
  },
  {
    name: "what was being read when the pause came is handed on",
    file: "tail/partition-tail.ts",
    from: "this.#stop.signal.aborted || this.#pause !== undefined) return;",
    to: "this.#stop.signal.aborted) return;",
  },
  {
    name: "the outbox sends on after a refusal",
    file: "connection/outbox.ts",
    from: '      if (outcome === "dropped") break;\n',
    to: "",
  },
  {
    name: "the outbox tells nobody what it discards",
    file: "connection/outbox.ts",
    from: "    for (const owner of owners) owner.discarded();\n",
    to: "",
  },
  {
    name: "catch-up does not wait for the socket",
    file: "catchup/helpings.ts",
    from: "    if (!isClosed && !isWritable) return this.#watch();\n",
    to: "    if (!isClosed && !isWritable) this.#watch();\n",
  },
  {
    name: "a removed subscriber goes on",
    file: "connection/subscriptions.ts",
    from: "    subscriber.end();\n",
    to: "",
  },
  {
    name: "requests of one conversation don't wait for each other",
    file: "connection/subscriptions.ts",
    from: "before === undefined ? Promise.resolve(task()) : before.then(task)",
    to: "before === undefined ? Promise.resolve(task()) : Promise.resolve(task())",
  },
  {
    name: "live begins where the tail is when its turn comes",
    file: "connection/subscriptions.ts",
    from: "    const tail = await reached;\n    if (this.#isEnded) return;\n    const start = tail && (await startPoints.resolve(",
    to: "    await reached;\n    const tail = this.#context.tails.positionOf(conversation);\n    if (this.#isEnded) return;\n    const start = tail && (await startPoints.resolve(",
  },
  {
    name: "not known is taken for never acknowledged",
    file: "catchup/start-point.ts",
    from: '    if (cursor.kind === "none") return otherwise();\n',
    to: '    if (cursor.kind !== "position") return otherwise();\n',
  },
  {
    name: "the cursor is the highest position there is",
    file: "session/acknowledgements.ts",
    from: "this.#cursors.acknowledge(key, position)",
    to: "this.#cursors.acknowledge(key, this.#tails.position(partition) ?? position)",
  },
  {
    name: "a later acknowledgement turns the cursor back",
    file: "session/cursors.ts",
    from: "    } else if (isNewer(position, pending.position)) pending.position = position;\n",
    to: "    } else pending.position = position;\n",
  },
];

/** With the numbers that modules are asked for by: those of the relay's histories, or of deliveries. */
export function mutantsOf(world: "relay" | "delivery") {
  return MUTANTS.map((mutant, number) => ({ ...mutant, number })).filter(
    ({ file }) => file.startsWith("relay/") === (world === "relay"),
  );
}
