import type { PartitionReassignment, ReplicaWish, SettingsChange } from "@millrace/log";
import { silentLogger } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditIntent } from "../audit/audit-journal.ts";
import { LIMITS } from "../limits.ts";
import { RefusalError } from "../refusal.ts";
import { Throttles } from "./throttles.ts";

const TOPIC = "chat.messages";
const BOTH_RATES = {
  "leader.replication.throttled.rate": "5000",
  "follower.replication.throttled.rate": "5000",
} as const;
const MOVES = [{ topic: TOPIC, partition: 0, from: [1, 3], to: [1, 2] }];

/** A cluster of brokers 1, 2 and 4: broker 3 is dead. */
class FakeAdmin {
  readonly settings = new Map<string, Map<string, string>>();
  moving: PartitionReassignment[] = [];
  /** Awaited before a change of settings is made; it may throw. */
  beforeChange: (change: SettingsChange) => Promise<void> | void = () => undefined;

  describe() {
    const brokers = [1, 2, 4].map((id) => ({ id, host: "localhost", port: id }));
    return Promise.resolve({ brokers, topics: new Map([[TOPIC, []]]) });
  }

  settingsOf(kind: SettingsChange["kind"], names: readonly string[]) {
    const found = names.map((name) => [name, this.of(kind, name)] as const);
    return Promise.resolve(new Map(found));
  }

  async changeSettings(changes: readonly SettingsChange[]): Promise<void> {
    for (const change of changes) {
      if (change.name === "3") throw new Error("broker 3 is not known");
      await this.beforeChange(change);
      const settings = this.of(change.kind, change.name);
      for (const [name, value] of Object.entries(change.settings)) {
        if (value === null) settings.delete(name);
        else settings.set(name, value);
      }
    }
  }

  reassignments(): Promise<PartitionReassignment[]> {
    return Promise.resolve(this.moving);
  }

  reassign(wishes: readonly ReplicaWish[]): Promise<void> {
    for (const { topic, partition, replicas } of wishes) {
      this.moving = this.moving.filter((one) => one.topic !== topic || one.partition !== partition);
      if (replicas === null) continue;
      this.moving.push({ topic, partition, replicas, adding: [...replicas], removing: [] });
    }
    return Promise.resolve();
  }

  of(kind: SettingsChange["kind"], name: string): Map<string, string> {
    const key = `${kind} ${name}`;
    const settings = this.settings.get(key) ?? new Map<string, string>();
    this.settings.set(key, settings);
    return settings;
  }

  /** What has any setting. */
  get throttled(): string[] {
    return [...this.settings].filter(([, settings]) => settings.size > 0).map(([key]) => key);
  }
}

let admin: FakeAdmin;
let clock: FakeClock;
let throttles: Throttles;
let audited: unknown[];

beforeEach(() => {
  admin = new FakeAdmin();
  clock = new FakeClock();
  audited = [];
  const audit = {
    begin: (intent: AuditIntent) => {
      audited.push(intent);
      return Promise.resolve({ id: "1", atMs: 0, ...intent });
    },
    end: (_: unknown, { status }: { readonly status: number }) => {
      audited.push(status);
      return Promise.resolve();
    },
  };
  throttles = new Throttles({ admin, audit, clock, logger: silentLogger });
});

afterEach(() => throttles.close());

function begin(): Promise<void> {
  return throttles.alone(() => throttles.begin(MOVES, 5_000));
}

/** So many looks of the watch. */
async function looks(count: number): Promise<void> {
  for (let look = 0; look < count; look++) await clock.advance(LIMITS.watchMs);
}

describe("the throttle of moved replicas", () => {
  it("is set on brokers that live alone, and marked as control's", async () => {
    await begin();
    expect(admin.throttled).toEqual(["BROKER 1", "BROKER 2", `TOPIC ${TOPIC}`]);
    expect([...admin.of("BROKER", "1").values()]).toEqual(["5000", "5001"]);
    expect((await throttles.moving()).foreign.brokers).toEqual([]);
    expect((await throttles.view()).throttleBytesPerSec).toBe(5_000);
  });

  it("is taken away when nothing moves behind it, which stands in the audit", async () => {
    void throttles.watch();
    await begin();
    await looks(5);
    expect(admin.throttled).toHaveLength(3);
    admin.moving = [];
    await looks(5);
    expect(admin.throttled).toEqual([]);
    const parameters = { brokers: [1, 2], topics: [TOPIC] };
    expect(audited).toMatchObject([
      { operator: "control", action: "throttle.remove", parameters },
      200,
    ]);
  });

  it("stays when another tool has set it", async () => {
    const topicLists = { "leader.replication.throttled.replicas": "*" };
    await admin.changeSettings([
      { kind: "BROKER", name: "1", settings: BOTH_RATES },
      { kind: "TOPIC", name: TOPIC, settings: topicLists },
    ]);
    const { foreign } = await throttles.moving();
    expect(foreign).toEqual({ bytesPerSec: 5_000, brokers: ["1"], topics: [TOPIC] });
    void throttles.watch();
    await looks(20);
    await throttles.alone(() => throttles.cancel([TOPIC]));
    expect(admin.throttled).toEqual(["BROKER 1", `TOPIC ${TOPIC}`]);
    expect(audited).toEqual([]);
  });

  it("is not taken away while it is being set, however long that takes", async () => {
    void throttles.watch();
    const hold = new AbortController();
    const isLet = new Promise<void>((resolve) => {
      hold.signal.addEventListener("abort", () => resolve());
    });
    admin.beforeChange = ({ kind }) => (kind === "TOPIC" ? isLet : undefined);
    const begun = begin();
    await looks(20);
    expect(admin.throttled).toEqual(["BROKER 1", "BROKER 2"]);
    hold.abort();
    await begun;
    await looks(20);
    expect(admin.throttled).toHaveLength(3);
  });

  it("is taken back where only half of it could be set, and nothing moves", async () => {
    let isBroken = true;
    admin.beforeChange = ({ name, settings }) => {
      if (isBroken && name === "2" && settings["leader.replication.throttled.rate"] !== null)
        throw new Error("died");
    };
    await expect(begin()).rejects.toThrow("died");
    expect(admin.throttled).toEqual([]);
    expect(admin.moving).toEqual([]);
    isBroken = false;
    await begin();
    expect(admin.throttled).toHaveLength(3);
  });

  it("stays for other topics' replicas that still move behind it", async () => {
    const other = { topic: "other", partition: 0, replicas: [1], adding: [1], removing: [] };
    await begin();
    admin.moving.push(other);
    expect(await throttles.alone(() => throttles.cancel([TOPIC]))).toEqual({
      count: 1,
      isThrottled: false,
    });
    expect(admin.moving).toEqual([other]);
    await begin();
    expect(await throttles.alone(() => throttles.cancel(["other"]))).toEqual({
      count: 1,
      isThrottled: true,
    });
    expect(admin.throttled).toHaveLength(3);
  });

  it("is begun by one operator at a time", async () => {
    const first = begin();
    const second = await begin().catch((cause: unknown) => cause);
    expect(second).toBeInstanceOf(RefusalError);
    expect(() => throttles.assertFree()).toThrow("by somebody just now");
    await first;
    throttles.assertFree();
  });
});
