import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { waitFor } from "@millrace/testkit";
import { type Browser, type Page, chromium } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { signToken } from "../../scripts/token.mjs";
import { StartedProduct, millrace } from "./started-product.ts";

const START_MS = 300_000;
const NAMES = ["chromium", "chromium-browser", "google-chrome"];

const executablePath = (process.env["PATH"] ?? "")
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((file) => existsSync(file));

if (executablePath === undefined) {
  process.stderr.write("no Chromium on the PATH: the live page is not tried\n");
}

let product: StartedProduct;
let browser: Browser;
let page: Page;

function operatorToken(): string {
  return signToken({ user: "olga", scope: "millrace:admin" });
}

async function open(scheme: "light" | "dark", fragment = ""): Promise<string[]> {
  page = await browser.newPage({ colorScheme: scheme });
  const hosts: string[] = [];
  page.on("request", (request) => hosts.push(new URL(request.url()).origin));
  await page.goto(`${product.ready.control?.http}/${fragment}`);
  return hosts;
}

async function text(selector: string): Promise<string> {
  return (await page.locator(selector).first().textContent()) ?? "";
}

/** Which element the keyboard acts on, as a screen reader names it. */
function focused(): Promise<string | null> {
  return page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? null);
}

describe.skipIf(executablePath === undefined)("the live page in a real browser", () => {
  beforeAll(async () => {
    product = await StartedProduct.start("--edges", "2");
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      // Containers seldom let a browser build a sandbox of its own.
      args: ["--no-sandbox"],
    });
  }, START_MS);
  afterEach(() => page?.close());
  afterAll(async () => {
    await browser?.close();
    await product?.stop();
  });

  it("shows nothing before it knows an operator, and says why one is not let in", async () => {
    await open("light");
    await page.getByLabel("An operator's token").fill(signToken({ user: "alice" }));
    await page.getByRole("button", { name: "Look" }).click();
    await page.getByRole("alert").waitFor();
    expect(await text("[role=alert]")).toMatch(/Not let in: .*millrace:admin/);
    expect(await page.locator(".matrix").count()).toBe(0);
    await page.getByLabel("An operator's token").fill(operatorToken());
    await page.getByRole("button", { name: "Look" }).click();
    await page.locator(".matrix").waitFor();
  });

  it("shows edges by partitions in light and in dark, and asks nobody but control", async () => {
    const grounds = new Set<string>();
    for (const scheme of ["light", "dark"] as const) {
      const hosts = await open(scheme, `#token=${operatorToken()}`);
      await waitFor(async () => (await page.locator(".cell.owned > .unseen").count()) === 12, {
        what: "an owner for each partition",
      });
      expect(await page.locator(".partition-head").allTextContents()).toHaveLength(12);
      expect(await page.locator("tbody .edge-id").allTextContents()).toEqual(["edge-1", "edge-2"]);
      expect(new Set(hosts)).toEqual(new Set([product.ready.control?.http]));
      expect(page.url()).not.toContain("token");
      grounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      await page.close();
    }
    expect(grounds.size).toBe(2);
  });

  it("can be walked through by keyboard", async () => {
    await open("light", `#token=${operatorToken()}`);
    await page.locator(".matrix").waitFor();
    const first = page.locator(".partition-head").first();
    await first.focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    expect(await focused()).toMatch(/^Partition 2, owned by edge-/);
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Partition 2", exact: true }).waitFor();
    expect(await text(".card pre")).toContain("npx millrace move 2 EDGE");
    await page.keyboard.press("End");
    await page.getByRole("region", { name: "Partition 11", exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".card").waitFor({ state: "detached" });
  });

  it("tells of a move, and of who has ordered it, as it happens", async () => {
    await open("light", `#token=${operatorToken()}`);
    await page.locator(".matrix").waitFor();
    await waitFor(async () => (await ownerOf(0)) !== undefined, { what: "an owner" });
    const from = await ownerOf(0);
    const to = from === "edge-1" ? "edge-2" : "edge-1";
    const place = ["--data", product.dataFolder, "--yes"];
    const { code, err } = await millrace(["move", "0", to, ...place]);
    expect([code, err]).toEqual([0, err]);
    const news = page.locator(".news ol");
    await waitFor(
      async () => (await news.textContent())?.includes(`Partition 0: ${from} → ${to}`),
      {
        what: "the move",
      },
    );
    await waitFor(async () => /: move partition 0/.test((await news.textContent()) ?? ""), {
      what: "who has ordered it",
    });
    await waitFor(async () => (await ownerOf(0)) === to, { what: "the new owner" });
  });

  it("says when what it shows is not of now any more, and goes on by itself", async () => {
    await open("light", `#token=${operatorToken()}`);
    await page.locator(".link.good").waitFor();
    process.kill(product.ready.control?.pid ?? 0, "SIGKILL");
    await page.locator(".link.bad").waitFor();
    expect(await text(".link")).toContain("shown is what was at");
    await page.locator(".link.good").waitFor({ timeout: START_MS });
  });
});

/** As the head of its column says it. */
async function ownerOf(partition: number): Promise<string | undefined> {
  const head = page.locator(".partition-head").nth(partition);
  const [, owner] = /owned by (\S+)$/.exec((await head.getAttribute("aria-label")) ?? "") ?? [];
  return owner;
}
