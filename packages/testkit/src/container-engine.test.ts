import { mkdtempSync, rmSync } from "node:fs";
import { type RequestListener, type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { isContainerEngineThere } from "./container-engine.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function listen(handler: RequestListener, at: number | string): Promise<number> {
  const opened = createServer(handler);
  server = opened;
  await new Promise<void>((resolve) => {
    if (typeof at === "number") opened.listen(at, "127.0.0.1", resolve);
    else opened.listen(at, resolve);
  });
  return typeof at === "number" ? (opened.address() as AddressInfo).port : 0;
}

const pong: RequestListener = ({ url }, response) => {
  response.statusCode = url === "/_ping" ? 200 : 404;
  response.end("OK");
};

describe("isContainerEngineThere", () => {
  it("finds one at a TCP address and at a socket", async () => {
    const port = await listen(pong, 0);
    expect(await isContainerEngineThere(`tcp://127.0.0.1:${port}`)).toBe(true);
    server?.close();
    const folder = mkdtempSync(join(tmpdir(), "millrace-engine-"));
    await listen(pong, join(folder, "engine.sock"));
    expect(await isContainerEngineThere(`unix://${join(folder, "engine.sock")}`)).toBe(true);
    rmSync(folder, { recursive: true, force: true });
  });

  it("is not kept waiting by one that hangs, and takes no other server for one", async () => {
    let port = await listen(() => undefined, 0);
    expect(await isContainerEngineThere(`tcp://127.0.0.1:${port}`)).toBe(false);
    server?.closeAllConnections();
    server?.close();
    port = await listen((_, response) => response.writeHead(404).end(), 0);
    expect(await isContainerEngineThere(`tcp://127.0.0.1:${port}`)).toBe(false);
  });

  it("finds none where nothing listens, and none at an address it can't ask", async () => {
    for (const host of ["tcp://127.0.0.1:1", "unix:///nowhere.sock", "ssh://a@b", "nonsense"]) {
      expect(await isContainerEngineThere(host)).toBe(false);
    }
  });
});
