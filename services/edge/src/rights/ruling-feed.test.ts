import { type ForeignRecord, MemoryLog, MemoryTopic } from "@millrace/log";
import { must, silentLogger } from "@millrace/runtime";
import { type ConversationId, type EdgeId, type UserId, parsePosition } from "@millrace/schemas";
import {
  type Order,
  type Ruling,
  type RulingSubject,
  controlRecordKey,
  encodeControl,
  encodeOrder,
  orderRecordKey,
  subjectText,
} from "@millrace/schemas/record";
import { FakeClock } from "@millrace/testkit";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createMetrics } from "../metrics.ts";
import { Orders } from "../orders/orders.ts";
import { RulingFeed } from "./ruling-feed.ts";
import { Rulings } from "./rulings.ts";

const ALICE = "alice" as UserId;
const BOB = "bob" as UserId;
const ROOM = "room:1" as ConversationId;
const SECOND_MS = 1_000;

const worlds: World[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

/** A topic of rulings in memory, and one edge's way from it to what holds. */
class World {
  readonly clock = new FakeClock();
  readonly topic = new MemoryTopic({ clock: this.clock });
  readonly metrics = createMetrics();
  readonly rulings: Rulings;
  readonly orders = new Orders({ weightsMax: 2 });
  readonly feed: RulingFeed;
  /** What was told of, and whether the subject was ruled about in that moment. */
  readonly told: string[] = [];
  fulls = 0;
  readonly #log = new MemoryLog({ clock: this.clock, topic: this.topic });

  constructor(rulingsMax = 1_000) {
    const { clock, metrics } = this;
    const limits = { rulingsMax, readBytes: 2_000 };
    this.rulings = new Rulings(clock, limits);
    this.feed = new RulingFeed({
      log: this.#log,
      rulings: this.rulings,
      orders: this.orders,
      clock,
      logger: silentLogger,
      metrics,
      limits,
      onRuled: (subjects) => {
        for (const subject of subjects) {
          this.told.push(`${subjectText(subject)} ${this.rulings.has(subject)}`);
        }
      },
      onFull: () => void this.fulls++,
    });
    worlds.push(this);
  }

  async start(): Promise<void> {
    await this.#log.open();
    this.feed.start();
    await this.clock.settle();
  }

  async stop(): Promise<void> {
    const ended = this.#log.close({ settleMs: 0 });
    const stopped = this.feed.stop();
    await this.clock.advance(10 * SECOND_MS);
    await Promise.all([ended, stopped]);
  }

  append(...records: readonly ForeignRecord[]): void {
    this.topic.appendForeign(0, records);
  }

  /** Everything that holds, as text. */
  get held(): string[] {
    const { records } = this.rulings.page({ after: "", count: 1_000 });
    return records.map(({ ruling, operator }) => `${subjectText(ruling)} by ${operator}`);
  }
}

async function started(...records: readonly ForeignRecord[]): Promise<World> {
  const world = new World();
  world.append(...records);
  await world.start();
  return world;
}

function ruled(ruling: Ruling, operator = "olga"): ForeignRecord {
  const value = encodeControl({ ruling, operator, ruledAtMs: 1 });
  return { key: controlRecordKey(ruling), value };
}

function lifted(subject: RulingSubject): ForeignRecord {
  return { key: controlRecordKey(subject), value: null };
}

function ordered(order: Order): ForeignRecord {
  const value = encodeOrder({ order, operator: "olga", ruledAtMs: 1 });
  return { key: orderRecordKey(order), value };
}

function withdrawn(order: Order): ForeignRecord {
  return { key: orderRecordKey(order), value: null };
}

function ban(user: UserId, untilMs?: number): Ruling {
  return { kind: "ban", user, ...(untilMs !== undefined && { untilMs }) };
}

describe("the rulings of an edge", () => {
  it("are whole before it serves, and no word that was taken back takes effect", async () => {
    const world = new World();
    world.append(ruled(ban(ALICE)), lifted(ban(ALICE)), ruled(ban(BOB)));
    expect(world.feed.isWhole).toBe(false);
    await world.start();
    expect(world.feed.isWhole).toBe(true);
    expect(world.told).toEqual(["ban/bob true"]);
    world.append(ruled(ban(ALICE)), lifted(ban(ALICE)));
    await world.clock.settle();
    expect(world.told.slice(1)).toEqual(["ban/alice true", "ban/alice false"]);
  });

  it("hold while the log is away, and follow within a second when it is back", async () => {
    const world = await started(ruled(ban(ALICE)));
    world.topic.setAvailable(0, false);
    world.append(lifted(ban(ALICE)), ruled(ban(BOB)));
    await world.clock.advance(3_600 * SECOND_MS);
    expect([world.rulings.isBanned(ALICE), world.rulings.isBanned(BOB)]).toEqual([true, false]);
    expect(world.feed.silenceMs).toBeGreaterThan(3_000 * SECOND_MS);
    world.topic.setAvailable(0, true);
    await world.clock.advance(SECOND_MS);
    expect([world.rulings.isBanned(ALICE), world.rulings.isBanned(BOB)]).toEqual([false, true]);
  });

  it("step over what nobody can read, and count it", async () => {
    const unreadable: ForeignRecord[] = [
      { key: null, value: null },
      { key: Buffer.from("crown/alice"), value: null },
      { key: controlRecordKey(ban(ALICE)), value: Buffer.from("no ruling") },
      { key: controlRecordKey(ban(ALICE)), value: ruled(ban(BOB)).value },
    ];
    const world = await started(ruled(ban(BOB)), ...unreadable);
    world.append(...unreadable, lifted(ban(BOB)));
    await world.clock.settle();
    expect(world.held).toEqual([]);
    const counted = await world.metrics.recordsSkipped.get();
    expect(counted.values[0]?.value).toBe(2 * unreadable.length);
  });

  it("are lifted by nothing but a word: not by a topic made anew, nor by one cut off", async () => {
    const world = await started(ruled(ban(ALICE)), ruled(ban(BOB)));
    world.topic.recreate();
    world.append(lifted(ban(BOB)));
    await world.clock.advance(SECOND_MS);
    expect(world.held).toEqual(["ban/alice by olga"]);
    world.topic.truncate(0, 0n);
    await world.clock.advance(SECOND_MS);
    world.append(ruled(ban(BOB)));
    await world.clock.advance(SECOND_MS);
    expect(world.held).toEqual(["ban/alice by olga", "ban/bob by olga"]);
  });

  it("are never forgotten for want of room: the edge stops serving until there is some", async () => {
    const world = new World(2);
    const soon = world.clock.wallMs() + 60 * SECOND_MS;
    world.append(ruled(ban(ALICE)), ruled(ban(BOB, soon)));
    await world.start();
    expect(world.feed.isWhole).toBe(true);
    const removal: Ruling = { kind: "removal", user: ALICE, conversation: ROOM };
    world.append(ruled(removal));
    await world.clock.settle();
    expect([world.feed.isWhole, world.fulls]).toEqual([false, 1]);
    expect(world.rulings.isBanned(ALICE)).toBe(true);
    // Lifted, or ended by itself, there is room again.
    world.clock.jumpWall(61 * SECOND_MS);
    await world.clock.advance(6 * SECOND_MS);
    expect(world.feed.isWhole).toBe(true);
    expect(world.held).toEqual(["ban/alice by olga", "removal/alice/room:1 by olga"]);
  });

  it("and orders share the topic alone: what was taken back before the start takes no effect", async () => {
    const edge = "edge-1" as EdgeId;
    const pin = { kind: "pin", partition: 7, edge } as const;
    const pause = { kind: "pause", partition: 3 } as const;
    const world = new World();
    let changes = 0;
    world.orders.onChange(() => (changes += 1));
    world.append(ordered(pause), ruled(ban(ALICE)), ordered(pin), withdrawn(pause));
    await world.start();
    expect([world.orders.isPaused(3), world.orders.pins.get(7), changes]).toEqual([false, edge, 1]);
    expect(world.held).toEqual(["ban/alice by olga"]);
    world.append(ordered(pause), ruled(ban(BOB)), withdrawn(pin));
    await world.clock.settle();
    expect([world.orders.isPaused(3), world.orders.pins.size, changes]).toEqual([true, 0, 2]);
    expect(world.told).toEqual(["ban/alice true", "ban/bob true"]);
    const counted = await world.metrics.recordsSkipped.get();
    expect(counted.values[0]?.value ?? 0).toBe(0);
  });

  it("of a start with too many are not served from", async () => {
    const world = new World(2);
    const users = ["u1", "u2", "u3"] as UserId[];
    world.append(...users.map((user) => ruled(ban(user))));
    await world.start();
    expect(world.feed.isWhole).toBe(false);
    world.append(lifted(ban(must(users[0], "a user"))));
    await world.clock.advance(6 * SECOND_MS);
    expect(world.held).toEqual(["ban/u2 by olga", "ban/u3 by olga"]);
    expect(world.feed.isWhole).toBe(true);
  });

  it("end with their time, by themselves", async () => {
    const world = new World();
    world.append(ruled(ban(ALICE, world.clock.wallMs() + SECOND_MS)));
    await world.start();
    expect(world.rulings.isBanned(ALICE)).toBe(true);
    world.clock.jumpWall(SECOND_MS);
    expect(world.rulings.isBanned(ALICE)).toBe(false);
    expect(world.held).toEqual([]);
  });
});

/** A word about one of a few subjects, so that most are spoken about more than once. */
const word = fc
  .record({
    kind: fc.constantFrom("ban" as const, "removal" as const, "beginning" as const),
    user: fc.constantFrom(ALICE, BOB, "al/ice" as UserId),
    conversation: fc.constantFrom(ROOM, "room:2" as ConversationId, "a/b" as ConversationId),
    offset: fc.nat(9),
    isLifted: fc.boolean(),
  })
  .map(({ kind, user, conversation, offset, isLifted }) => {
    const position = must(parsePosition(`mem-0000.0.${offset}`), "a position");
    const place = { user, conversation };
    const ruling: Ruling =
      kind === "ban"
        ? { kind, user }
        : kind === "removal"
          ? { kind, ...place }
          : { kind, ...place, position };
    return { ruling, isLifted };
  });

describe("the fold of the topic of rulings", () => {
  it("is each subject's last word, however much of the log compaction has taken", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ word, isCompacted: fc.boolean() }), { maxLength: 60 }),
        fc.nat(60),
        async (steps, cut) => {
          const words = steps.map(({ word: { ruling, isLifted } }, index) => ({
            name: subjectText(ruling),
            record: isLifted ? lifted(ruling) : ruled(ruling, `o${index}`),
            held: isLifted ? undefined : `${subjectText(ruling)} by o${index}`,
          }));
          const last = new Map(words.map(({ name, held }) => [name, held]));
          const expected = [...last.values()].filter((text) => text !== undefined);
          const world = new World();
          const kept = new Set<string>();
          for (const [index, { name, record }] of words.entries()) {
            const isOld = words.findLastIndex((other) => other.name === name) > index;
            // A tombstone goes last: never while something stands before it that it lifts.
            const isDue = isOld || (record.value === null && !kept.has(name));
            // Before the cut it may be compacted; what is behind it comes while the edge follows.
            if (index === cut) await world.start();
            if (index < cut && isDue && steps[index]?.isCompacted === true) {
              world.topic.appendHoles(0, 1);
              continue;
            }
            world.append(record);
            kept.add(name);
          }
          if (cut >= words.length) await world.start();
          await world.clock.settle();
          expect(world.held.toSorted()).toEqual(expected.toSorted());
          expect(world.rulings.size).toBe(expected.length);
          for (const { word: about } of steps) {
            const holds = last.get(subjectText(about.ruling)) !== undefined;
            expect(world.rulings.has(about.ruling)).toBe(holds);
          }
          for (const user of [undefined, ALICE])
            expect(pages(world, user)).toEqual(
              world.held.filter((text) => !user || text.includes("/alice")),
            );
          await world.stop();
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** All pages, two rulings at a time. */
function pages(world: World, user: UserId | undefined): string[] {
  const all: string[] = [];
  for (let after: string | undefined = ""; after !== undefined;) {
    const page = world.rulings.page({ ...(user && { user }), after, count: 2 });
    all.push(
      ...page.records.map(({ ruling, operator }) => `${subjectText(ruling)} by ${operator}`),
    );
    after = page.next;
  }
  return all;
}
