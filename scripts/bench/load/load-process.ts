import { seededRandom } from "@millrace/runtime";
import { setTimeout as sleep } from "node:timers/promises";
import { signToken } from "../../token.mjs";
import { LoadClient } from "./load-client.ts";
import type { LoadCommand, LoadPlan, Opened } from "./load-protocol.ts";
import { answerParent } from "./load-worker.ts";
import { OpenLoop } from "./open-loop.ts";
import { Tally } from "./tally.ts";

const OPENING_MAX = 64;
/** A line that is lost while it is opened is made anew, as any client would do it. */
const TRIES_MAX = 3;
/** One that is asked to come later comes later, for so long. */
const PATIENCE_MS = 60_000;
const TOKEN_TTL_S = 24 * 3_600;

/** One process of the load side: some clients, and one open loop of publishes over all of them. */
class LoadProcess {
  readonly #tally = new Tally();
  #clients: LoadClient[] = [];
  #random: () => number = seededRandom(1);
  readonly #loop = new OpenLoop((intendedUs) => this.#next().publish(intendedUs));
  #turn: number | undefined;

  async run(command: LoadCommand): Promise<unknown> {
    switch (command.name) {
      case "open":
        return this.#open(command.plan);
      case "publish":
        return this.#publish(command.perS, command.count);
      case "quiet":
        this.#loop.stop();
        return undefined;
      case "window":
        return this.#tally.take();
      case "cut":
        for (const client of this.#clients) client.cut();
        return undefined;
      case "reopen":
        return this.#reopen(command.withinMs);
      case "keys":
        return this.#clients.flatMap(({ acknowledgedKeys }) => acknowledgedKeys);
    }
  }

  #open(plan: LoadPlan): Promise<Opened> {
    const { first, count, conversations, rooms, issuerFolder, seed } = plan;
    this.#random = seededRandom(seed);
    this.#clients = Array.from({ length: count }, (_, offset) => {
      const index = first + offset;
      const user = `bench-${index}`;
      const rights = { read: ["*"], write: ["*"] };
      const token = signToken({ user, ...rights, ttlS: TOKEN_TTL_S, issuerFolder });
      const room = conversations === 0 ? undefined : index % conversations;
      const conversation = room === undefined ? undefined : (rooms?.[room] ?? room);
      return new LoadClient({ ...plan, index, token, conversation, tally: this.#tally });
    });
    return this.#openAll();
  }

  async #openAll(): Promise<Opened> {
    const waiting = [...this.#clients];
    const opening: Opening = { problems: [], retried: 0 };
    const openNext = async (): Promise<void> => {
      for (let client = waiting.pop(); client !== undefined; client = waiting.pop()) {
        await openOne(client, opening);
      }
    };
    await Promise.all(Array.from({ length: OPENING_MAX }, openNext));
    return this.#opened(opening);
  }

  async #reopen(withinMs: number): Promise<Opened> {
    const opening: Opening = { problems: [], retried: 0 };
    const open = async (client: LoadClient): Promise<void> => {
      await sleep(this.#random() * withinMs);
      await openOne(client, opening);
    };
    await Promise.all(this.#clients.map(open));
    return this.#opened(opening);
  }

  #opened({ problems, retried }: Opening): Opened {
    return {
      open: this.#clients.filter(({ isOpen }) => isOpen).length,
      retried,
      problems: problems.length,
      firstProblem: problems[0],
      lastHandshakeUs: Math.max(...this.#clients.map(({ handshakeUs }) => handshakeUs)),
      lastLiveUs: Math.max(...this.#clients.map(({ liveUs }) => liveUs)),
    };
  }

  /** Answers at once, or, where a count is given, when all are sent. */
  #publish(perS: number, count: number | undefined): Promise<void> | undefined {
    this.#turn = count === undefined ? undefined : 0;
    const sent = this.#loop.start({
      perS,
      random: this.#random,
      ...(count !== undefined && { count }),
    });
    return count === undefined ? undefined : sent;
  }

  /** In turn where each shall publish as often as the others, else by chance. */
  #next(): LoadClient {
    const { length } = this.#clients;
    const index =
      this.#turn === undefined ? Math.floor(this.#random() * length) : this.#turn++ % length;
    const client = this.#clients[index];
    if (client === undefined) throw new Error("there is no client to publish");
    return client;
  }
}

interface Opening {
  readonly problems: string[];
  retried: number;
}

async function openOne(client: LoadClient, opening: Opening): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  let problem = await client.open();
  for (let tries = 1; problem !== undefined && performance.now() < untilMs;) {
    const laterS = /^Retry-After: (\d+)/im.exec(problem)?.[1];
    if (laterS === undefined && ++tries > TRIES_MAX) break;
    opening.retried++;
    client.cut();
    if (laterS !== undefined) await sleep(Number(laterS) * 1_000);
    problem = await client.open();
  }
  if (problem !== undefined) opening.problems.push(problem);
}

const load = new LoadProcess();
answerParent((command: LoadCommand) => load.run(command));
