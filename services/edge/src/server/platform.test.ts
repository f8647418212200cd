import { expect, it } from "vitest";
import { type Platform, hostPlatform, nativeBuilds, platformProblem } from "./platform.ts";

const DEBIAN_13: Platform = {
  node: "24.11.0",
  abi: "137",
  os: "linux",
  arch: "x64",
  glibc: "2.41",
};
const BUILDS = nativeBuilds();

it("What this product is tested on is supported, and so is what its images run on", () => {
  expect(platformProblem(hostPlatform(), BUILDS)).toBeUndefined();
  expect(platformProblem(DEBIAN_13, BUILDS)).toBeUndefined();
  expect(platformProblem({ ...DEBIAN_13, arch: "arm64" }, BUILDS)).toBeUndefined();
  const debian12 = { ...DEBIAN_13, node: "20.20.2", abi: "115", glibc: "2.36" };
  expect(platformProblem(debian12, BUILDS)).toBeUndefined();
});

it("A Mac has no glibc, and needs none", () => {
  const mac: Platform = { node: "24.11.0", abi: "137", os: "darwin", arch: "arm64" };
  expect(platformProblem(mac, BUILDS)).toBeUndefined();
});

it.each<[string, Partial<Platform>]>([
  ["musl", { glibc: undefined }],
  ["an older glibc", { glibc: "2.36" }],
  ["the next major of Node", { node: "26.0.0", abi: "147" }],
  ["an older Node", { node: "20.10.0", abi: "115" }],
  ["a processor without a build", { arch: "riscv64" }],
])("%s is refused in one line, which names what is supported", (_, change) => {
  const line = platformProblem({ ...DEBIAN_13, ...change }, BUILDS) ?? "";
  expect(line).toMatch(/^the edge can't start: Node \S+ on linux \w+ with (no )?glibc/);
  expect(line).toContain("20.19 (on Linux with glibc 2.28)");
  expect(line).toContain("24.0 (on Linux with glibc 2.38)");
  expect(line).toContain("linux x64");
  expect(line).not.toContain("\n");
});

it("A build that was never tried is no support", () => {
  const builds = [...BUILDS, "uws_linux_x64_147.node"];
  const line = platformProblem({ ...DEBIAN_13, node: "26.0.0", abi: "147" }, builds);
  expect(line).toMatch(/Node 26\.0\.0 .* is not supported/);
});
