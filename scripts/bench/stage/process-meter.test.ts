import { expect, test } from "vitest";
import { ProcessMeter, spanBetween } from "./process-meter.ts";

function burn(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) Math.sqrt(endMs);
}

test("the CPU of a process is what it has used between two readings", () => {
  const meter = new ProcessMeter();
  meter.watch("this", [process.pid]);
  const before = meter.read();
  const used = process.cpuUsage();
  burn(400);
  const { user, system } = process.cpuUsage(used);
  const span = spanBetween(before, meter.read());
  // The kernel tells hundredths of a second.
  const told = (span.cpu.get("this") ?? 0) * span.seconds;
  expect(Math.abs(told - (user + system) / 1e6)).toBeLessThan(0.05);
  expect(span.resident.get("this")).toBeGreaterThan(10_000_000);
  for (const busy of span.busyCores) expect(busy).toBeLessThanOrEqual(1.01);
});

test("a process that has ended counts as nothing", () => {
  const meter = new ProcessMeter();
  meter.watch("gone", [2 ** 30]);
  expect(meter.read().usage.get("gone")).toEqual({ cpuSeconds: 0, residentBytes: 0 });
});
