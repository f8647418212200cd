import { silentLogger } from "@millrace/runtime";
import { FakeClock, waitFor } from "@millrace/testkit";
import type { FastifyReply } from "fastify";
import { beforeEach, describe, expect, it } from "vitest";
import type { AuditView } from "../api/views.ts";
import { LIMITS } from "../limits.ts";
import type { OverviewSources } from "../overview/overview.ts";
import { edgeReport, overviewFrom } from "../testing/edge-reports.ts";
import { Followers } from "./followers.ts";

const OPERATOR = { name: "olga", token: "t", expiresAtMs: Number.MAX_SAFE_INTEGER };
const ENTRY: AuditView = {
  id: "1",
  atMs: 1,
  operator: "olga",
  address: "",
  action: "pause",
  parameters: {},
  status: null,
  outcome: null,
};

let clock: FakeClock;
let followers: Followers;
/** Of an edge whose report alone is larger than the bound. */
let isHuge: boolean;

beforeEach(() => {
  clock = new FakeClock();
  isHuge = false;
  const seen = () => {
    const version = isHuge ? "x".repeat(LIMITS.followerBytes) : "0.1.0";
    return overviewFrom({ edges: [edgeReport("edge-1", { version })] });
  };
  const sources = {
    topic: "chat.messages",
    clock,
    directory: { look: async () => seen().edges },
    cluster: { look: async () => seen().cluster },
    topicChecks: { told: () => Promise.resolve([]) },
  } as unknown as OverviewSources;
  followers = new Followers({ sources, clock, logger: silentLogger });
});

/** A line whose other end reads when a test says so. */
class Line {
  #onClose = (): void => undefined;
  destroyed = false;
  writableLength = 0;
  looks = 0;

  once(_event: "close", listener: () => void): void {
    this.#onClose = listener;
  }

  writeHead(): void {
    // Nobody looks at it.
  }

  write(text: string): void {
    this.writableLength += Buffer.byteLength(text);
    if (text.startsWith("event: status")) this.looks += 1;
  }

  destroy(): void {
    this.destroyed = true;
    this.#onClose();
  }
}

function follow(line: Line): void {
  const reply = { raw: line, hijack: () => undefined, getHeaders: () => ({}) };
  followers.take(OPERATOR, reply as unknown as FastifyReply);
}

describe("those who follow the events", () => {
  it("are not kept when they went away before they were let in", () => {
    const line = new Line();
    line.destroyed = true;
    follow(line);
    expect(followers.count).toBe(0);
  });

  it("are kept while they read, however large one look is", async () => {
    isHuge = true;
    const line = new Line();
    follow(line);
    for (let look = 1; look <= 3; look++) {
      await waitFor(() => line.looks === look, { what: "the look" });
      followers.tell(ENTRY);
      expect(followers.count).toBe(1);
      line.writableLength = 0;
      await clock.advance(LIMITS.followMs);
    }
  });

  it("are let go when they have not read the look before, or what came after it", async () => {
    isHuge = true;
    const lazy = new Line();
    follow(lazy);
    await waitFor(() => lazy.looks === 1, { what: "the first look" });
    await clock.advance(LIMITS.followMs);
    await waitFor(() => followers.count === 0, { what: "its end" });
    expect([lazy.destroyed, followers.count]).toEqual([true, 0]);
    isHuge = false;
    const flooded = new Line();
    follow(flooded);
    const outcome = "x".repeat(LIMITS.followerBytes);
    for (let told = 0; told < 3; told++) followers.tell({ ...ENTRY, outcome });
    expect([flooded.destroyed, followers.count]).toEqual([true, 0]);
  });
});
