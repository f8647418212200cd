import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, it } from "vitest";
import { waitFor } from "../wait-for.ts";
import { Prober } from "./prober.ts";

let server: Server;
let prober: Prober | undefined;
/** What the container answers, one after the other; the last one for ever. */
let answers: number[];
let asked: number;

beforeEach(async () => {
  asked = 0;
  server = createServer((_, response) => {
    asked += 1;
    response.writeHead(answers.length > 1 ? (answers.shift() ?? 0) : (answers[0] ?? 0)).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(() => {
  prober?.stop();
  server.close();
});

function probe(thresholds: { successThreshold?: number; failureThreshold?: number }): string[] {
  const told: string[] = [];
  const { port } = server.address() as AddressInfo;
  const container = { name: "edge", ports: [{ name: "ws", containerPort: port }] };
  prober = new Prober({
    probe: { httpGet: { path: "/readyz", port: "ws" }, periodSeconds: 0.01, ...thresholds },
    running: { container, address: "127.0.0.1", environment: {}, folder: tmpdir() },
    onVerdict: (isSuccess) => told.push(`${isSuccess ? "up" : "down"} after ${asked}`),
  });
  return told;
}

it("A probe's verdict comes with as many answers of one kind in a row as its thresholds say", async () => {
  answers = [503, 503, 200, 503, 503, 503, 200, 200];
  const told = probe({ failureThreshold: 3, successThreshold: 2 });
  await waitFor(() => told.length >= 2, { what: "both verdicts" });
  expect(told.slice(0, 2)).toEqual(["down after 6", "up after 8"]);
});

it("A redirect is a success and an answer that does not come in time is none", async () => {
  answers = [302];
  const told = probe({ failureThreshold: 1 });
  await waitFor(() => told.length > 0, { what: "a verdict" });
  server.removeAllListeners("request");
  await waitFor(() => told.at(-1)?.startsWith("down"), { what: "silence is a failure" });
});
