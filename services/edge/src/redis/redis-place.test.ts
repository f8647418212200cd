import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CredentialFolder } from "@millrace/runtime";
import { FakeClock } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { redisPlace } from "./redis-place.ts";

let path: string;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "millrace-place-"));
});

afterEach(() => rmSync(path, { recursive: true }));

function folderOf(files: Readonly<Record<string, string>>): CredentialFolder {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return new CredentialFolder({ path, clock: new FakeClock() });
}

describe("redisPlace", () => {
  it("reads one address with its login and number", () => {
    expect(redisPlace("redis://edge:a%2Cb@redis.example/2", undefined)).toEqual({
      isCluster: false,
      nodes: [{ host: "redis.example", port: 6379 }],
      security: { db: 2, username: "edge", password: "a,b" },
    });
  });

  it("reads several addresses, or one that says so, as a cluster", () => {
    expect(redisPlace("rediss://a:1, rediss://[::1]:2", undefined)).toEqual({
      isCluster: true,
      nodes: [
        { host: "a", port: 1 },
        { host: "::1", port: 2 },
      ],
      security: { db: 0, tls: {} },
    });
    expect(redisPlace("redis://a:1?cluster=true", undefined).isCluster).toBe(true);
  });

  it("takes the folder's login and certificates before those of the address", () => {
    const folder = folderOf({
      "ca.crt": "CA",
      "tls.crt": "C",
      "tls.key": "K",
      username: "edge",
      password: "p",
    });
    expect(redisPlace("rediss://other:q@a", folder).security).toEqual({
      db: 0,
      username: "edge",
      password: "p",
      tls: { ca: "CA", cert: "C", key: "K" },
    });
  });

  it("sends nothing in the clear where certificates are given, or where one address is plain", () => {
    const folder = folderOf({ "ca.crt": "CA", username: "edge", password: "hidden" });
    expect(() => redisPlace("redis://a", folder)).toThrow(
      "certificates are given for Redis, and its address begins with redis://",
    );
    expect(() => redisPlace("rediss://a,redis://b", folder)).toThrow(
      "all addresses of Redis must begin with rediss://, or none of them",
    );
  });
});
