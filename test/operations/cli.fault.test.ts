import { spawn } from "node:child_process";
import { once } from "node:events";
import { waitFor } from "@millrace/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type {
  AuditView,
  EdgeView,
  ExplanationView,
  PartitionView,
  PlanView,
  StatusView,
} from "../../services/control/src/api/views.ts";
import { ROOT, type Ran, StartedProduct, millrace } from "./started-product.ts";

const START_MS = 300_000;

let product: StartedProduct;
beforeAll(async () => {
  product = await StartedProduct.start("--edges", "3");
}, START_MS);
afterAll(async () => {
  await product?.stop();
});

/** Other products may run in this checkout. */
function run(line: string, typed: Parameters<typeof millrace>[1] = {}): Promise<Ran> {
  return millrace([...line.split(" "), "--data", product.dataFolder], typed);
}

/** What it answers to programs; anything but success is an error. */
async function json<View>(line: string): Promise<View> {
  const { code, out, err } = await run(`${line} --json`);
  if (code !== 0) throw new Error(`${line}: exit code ${code}\n${err}`);
  return JSON.parse(out) as View;
}

const status = () => json<StatusView>("status");
const edges = async () => (await json<{ edges: EdgeView[] }>("edges")).edges;
const partitions = async () =>
  (await json<{ partitions: PartitionView[] }>("partitions")).partitions;

function whenEachIsOwned(): Promise<PartitionView[]> {
  return waitFor(allOwned, { what: "each partition has an owner" });
}

async function allOwned(): Promise<PartitionView[] | undefined> {
  const views = await partitions();
  return views.every(({ owner }) => owner !== null) ? views : undefined;
}

function whatIsForetold(order: string): Promise<PlanView> {
  const foretold = async () => {
    const plan = await json<PlanView>(`plan ${order}`);
    return plan.isForetold ? plan : undefined;
  };
  return waitFor(foretold, { what: "the group is at rest" });
}

function lines(out: string): Record<string, unknown>[] {
  return out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("an operator in the checkout", () => {
  it("finds what runs without being told where, by npx", async () => {
    // npx needs no registry for a command of the checkout.
    const environment = { npm_config_offline: "true" };
    const command = ["npx", "millrace"];
    const place = ["--data", product.dataFolder];
    const { code, out } = await millrace(["status", "--json", ...place], { command, environment });
    expect(code).toBe(0);
    const { edges: told } = JSON.parse(out) as StatusView;
    const wanted = product.ready.edges.map(({ id, pid }) => ({ id, pid, state: "serving" }));
    expect(told).toMatchObject(wanted);
  });

  it("sees the fleet in a table, and each partition with its owner and its lag", async () => {
    const owned = await whenEachIsOwned();
    expect(owned).toHaveLength(12);
    expect(owned.every(({ lag }) => lag !== null)).toBe(true);
    const { out } = await run("edges");
    const named = out.split("\n").flatMap((line) => /\bedge-\d+\b/.exec(line) ?? []);
    expect(named).toEqual(["edge-1", "edge-2", "edge-3"]);
    expect((await run("partitions")).out).toMatch(/^PART +OWNER +RECORDS\/s +LAG/);
  });

  it("is told in time when control is gone, and finds it again where it was", async () => {
    const before = product.ready.control;
    process.kill(before?.pid ?? 0, "SIGKILL");
    const isBack = () => product.ready.control?.pid !== before?.pid;
    await waitFor(isBack, { what: "control is started again", timeoutMs: 60_000 });
    expect(product.ready.control?.http).toBe(before?.http);
    expect((await run("status")).code).toBe(0);
  });
});

describe("a conversation in a pipe", () => {
  it("is written line by line in order, and read to its end by Ctrl-C", async () => {
    const input = Array.from(
      { length: 300 },
      (_, index) => `${JSON.stringify({ body: `line ${index}`, key: `key-${index}` })}\n`,
    ).join("");
    const sent = await run("send room:pipe", { input });
    expect(sent.code).toBe(0);
    const results = lines(sent.out);
    expect(results.map(({ key }) => key)).toEqual(
      Array.from({ length: 300 }, (_, index) => `key-${index}`),
    );
    const read = await run("tail room:pipe --from earliest", {
      until: (out) => out.split("\n").length > 300,
    });
    expect(read.code).toBe(0);
    expect(lines(read.out).map(({ body, pos }) => [body, pos])).toEqual(
      results.map(({ pos }, index) => [`line ${index}`, pos]),
    );
    // The same keys again make no second message.
    const again = await run("send room:pipe", { input });
    expect(lines(again.out).every(({ isDuplicate }) => isDuplicate)).toBe(true);
  });

  it("a reader of the pipe that goes away ends the tail", async () => {
    const tail = ["scripts/millrace.mjs", "tail", "room:pipe", "--data", product.dataFolder];
    const child = spawn(process.execPath, [...tail, "--from", "earliest"], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = once(child, "close");
    await once(child.stdout, "data");
    child.stdout.destroy();
    // It notices when it has something to write.
    const isEnded = async () => {
      await run("send room:pipe --text", { input: "one more\n" });
      return child.exitCode !== null;
    };
    await waitFor(isEnded, { what: "the tail has ended" });
    expect(await closed).toEqual([0, null]);
  });

  it("one bad line is its own failure", async () => {
    const { code, out } = await run("send room:pipe", { input: 'nonsense\n{"body":"good"}\n' });
    expect(code).toBe(1);
    expect(lines(out)).toMatchObject([{ line: 1, error: { code: "bad-line" } }, { line: 2 }]);
  });
});

describe("orders", () => {
  it("a move is planned, done and waited for, and the audit knows it", async () => {
    const before = await whenEachIsOwned();
    const [first] = before;
    const target = product.ready.edges.find(({ id }) => id !== first?.owner)?.id ?? "";
    const plan = await json<PlanView>(`plan move 0 ${target}`);
    expect(plan.moves).toContainEqual({ partition: 0, from: first?.owner, to: target });
    const { code, out } = await run(`move 0 ${target} --yes`);
    expect([code, out]).toEqual([0, expect.stringContaining(`${first?.owner} → ${target}`)]);
    const after = await partitions();
    expect(after[0]?.owner).toBe(target);
    // Others moved in return, and that is told, too.
    const moved = after.filter(({ partition, owner }) => before[partition]?.owner !== owner);
    for (const { partition, owner } of moved) {
      expect(out).toContain(`partition ${partition}: ${before[partition]?.owner} → ${owner}`);
    }
    const { audit } = await json<{ audit: AuditView[] }>("audit --limit 10");
    expect(audit.some(({ action, status: code2 }) => /move/.test(action) && code2 === 200)).toBe(
      true,
    );
    await run("unpin 0 --yes");
  });

  it("a drain is not done without --yes where no terminal is", async () => {
    const { code, out, err } = await run("drain edge-3");
    expect([code, out]).toEqual([3, ""]);
    expect(err).toContain("--yes");
    expect((await edges()).every(({ state }) => state === "serving")).toBe(true);
  });

  it("an edge is drained until it is empty, and taken back", async () => {
    const drained = await run("drain edge-3 --yes");
    expect([drained.code, drained.err]).toEqual([0, expect.stringContaining("edge-3 is drained.")]);
    const third = (await edges()).find(({ id }) => id === "edge-3");
    expect(third).toMatchObject({ state: "drained", connections: 0, owned: [] });
    await whenEachIsOwned();
    const { moves } = await whatIsForetold("undrain edge-3");
    const share = moves.filter(({ to }) => to === "edge-3").map(({ partition }) => partition);
    expect(share).not.toEqual([]);
    expect((await run("undrain edge-3 --yes")).code).toBe(0);
    const owns = async () => (await edges()).find(({ id }) => id === "edge-3")?.owned.join();
    const hasShare = async () => (await owns()) === share.join();
    await waitFor(hasShare, { what: "edge-3 has the share that was foretold" });
    expect((await run("undrain edge-3")).out).toContain("serving already: nothing changes.");
  });

  it("says why a client and a conversation are silent", async () => {
    const client = await json<ExplanationView>("explain client nobody");
    expect(client.findings.some(({ isOk }) => !isOk)).toBe(true);
    const conversation = await json<ExplanationView>("explain conversation room:pipe");
    expect(conversation.subject).toEqual({ conversation: "room:pipe" });
    expect(conversation.verdict).not.toBe("");
  });

  it("the whole serves afterwards", async () => {
    const { edges: told, kafka } = await status();
    expect(told.map(({ state }) => state)).toEqual(["serving", "serving", "serving"]);
    expect(kafka.isUp).toBe(true);
  });
});
