import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TokenUsageError, ensureIssuer, signToken } from "./token.mjs";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("./token.mjs", import.meta.url));

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-issuer-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function verify(token: string, jwksFile: string) {
  const keys = createLocalJWKSet(JSON.parse(readFileSync(jwksFile, "utf8")));
  return jwtVerify(token, keys);
}

describe("signToken", () => {
  it("makes an ES256 access token that the issuer's public key verifies", async () => {
    const { jwks, url, kid } = ensureIssuer({ folder });
    const rights = { read: ["room:a", "team:*"], write: [] };
    const token = signToken({ user: "alice", ...rights, ttlS: 60, issuerFolder: folder });
    const { payload, protectedHeader } = await verify(token, jwks);
    expect(protectedHeader).toEqual({ alg: "ES256", typ: "at+jwt", kid });
    expect(payload).toMatchObject({ iss: url, aud: "millrace", sub: "alice", millrace: rights });
    expect(Number(payload.exp) - Number(payload.iat)).toBe(60);
  });

  it("names the scope that is asked for, and none otherwise", async () => {
    const { jwks } = ensureIssuer({ folder });
    const scoped = signToken({ user: "op", scope: "millrace:admin", issuerFolder: folder });
    expect((await verify(scoped, jwks)).payload["scope"]).toBe("millrace:admin");
    const plain = signToken({ user: "alice", issuerFolder: folder });
    expect((await verify(plain, jwks)).payload).not.toHaveProperty("scope");
    const options = { user: "op", issuerFolder: folder };
    expect(() => signToken({ ...options, scope: "a  b" })).toThrow(/no scope/);
    expect(() => signToken({ ...options, scope: "" })).toThrow(/no scope/);
  });

  it("refuses a user and a pattern that no token may hold", () => {
    const options = { issuerFolder: folder };
    expect(() => signToken({ ...options, user: "" })).toThrow(TokenUsageError);
    expect(() => signToken({ ...options, user: "ü".repeat(20) })).toThrow(/90 bytes/);
    expect(() => signToken({ ...options, user: "a", read: ["a*b"] })).toThrow(/no pattern/);
  });
});

describe("ensureIssuer", () => {
  it("keeps its key, readable by its owner only", () => {
    const first = ensureIssuer({ folder });
    expect(ensureIssuer({ folder }).kid).toBe(first.kid);
    expect(statSync(join(folder, "key.pem")).mode & 0o777).toBe(0o600);
  });

  it("gives processes that make it at once the same key", async () => {
    const url = JSON.stringify(new URL("./token.mjs", import.meta.url).href);
    const place = JSON.stringify(join(folder, "new"));
    const source = `import(${url}).then(({ ensureIssuer }) =>
      process.stdout.write(ensureIssuer({ folder: ${place} }).kid))`;
    const runs = Array.from({ length: 6 }, () => run(process.execPath, ["-e", source]));
    const kids = (await Promise.all(runs)).map(({ stdout }) => stdout);
    expect(new Set(kids).size).toBe(1);
    expect(kids[0]).not.toBe("");
  });
});

describe("the command", () => {
  it("prints a token and nothing else", async () => {
    const args = [SCRIPT, "bob", "--read", "a", "--read", "b", "--aud", "x", "--iss", "y"];
    const { stdout, stderr } = await run(process.execPath, args);
    const { payload } = await verify(stdout.trim(), ensureIssuer().jwks);
    expect(payload).toMatchObject({ sub: "bob", aud: "x", iss: "y" });
    expect(payload["millrace"]).toEqual({ read: ["a", "b"], write: ["room:*"] });
    expect(stderr).toBe("");
  });

  it.each([[[]], [["a", "b"]], [["a", "--ttl", "0"]], [["a", "--reed", "x"]]])(
    "answers bad usage %j with code 2 and leaves standard output empty",
    async (args) => {
      const error = await run(process.execPath, [SCRIPT, ...args]).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 2, stdout: "" });
    },
  );
});
