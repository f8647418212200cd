import { mkdtempSync, rmSync, symlinkSync, writeFileSync, mkdirSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "@millrace/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CredentialFolder } from "./credential-folder.ts";

const ENOUGH_MS = 5_000;

let path: string;
let clock: FakeClock;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "millrace-credentials-"));
  clock = new FakeClock();
});

afterEach(() => rmSync(path, { recursive: true, force: true }));

function put(files: Readonly<Record<string, string>>, folder = path): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

function open(): CredentialFolder {
  return new CredentialFolder({ path, clock });
}

describe("what the files mean", () => {
  it("takes a name and a password, without the line break an editor leaves", () => {
    put({ username: "edge\n", password: " p\r\n", "ca.crt": "CA" });
    expect(open().read()).toEqual({
      isTlsOff: false,
      authorities: "CA",
      login: { username: "edge", password: " p" },
    });
  });

  it("takes the user's name from the line for Java clients where Strimzi says it only there", () => {
    const line = `…ScramLoginModule required username="my-edge" password="secret";`;
    put({ password: "secret", "sasl.jaas.config": line });
    expect(open().read().login).toEqual({ username: "my-edge", password: "secret" });
  });

  it("leaves the name out where there is only a password, as for a Redis without users", () => {
    put({ password: "secret" });
    expect(open().read().login).toEqual({ password: "secret" });
  });

  it("takes a certificate by Strimzi's names and by those of cert-manager", () => {
    put({ "tls.crt": "T", "tls.key": "K" });
    expect(open().read().certificate).toEqual({ chain: "T", key: "K" });
    put({ "user.crt": "U", "user.key": "L", "user.password": "of a keystore we do not read" });
    expect(open().read()).toEqual({ isTlsOff: false, certificate: { chain: "U", key: "L" } });
  });

  it("says which file is missing, and nothing of what the others hold", () => {
    put({ username: "edge", password: "hidden", "user.crt": "hidden" });
    expect(() => open().read()).toThrow(`${path} needs both user.crt and user.key`);
    rmSync(path, { recursive: true });
    expect(() => open().read()).toThrow(`${path} holds none of the files ca.crt`);
  });
});

describe("what changes", () => {
  it("is told once, when it has stood unchanged for a while", async () => {
    put({ username: "edge", password: "one" });
    const folder = open();
    const told: (string | undefined)[] = [];
    folder.onChange(() => told.push(folder.read().login?.password));
    await clock.advance(ENOUGH_MS);
    expect(told).toEqual([]);
    put({ password: "two" });
    await clock.advance(1_000);
    put({ password: "three" });
    await clock.advance(1_000);
    expect(told).toEqual([]);
    await clock.advance(ENOUGH_MS);
    expect(told).toEqual(["three"]);
    folder.close();
    put({ password: "four" });
    await clock.advance(ENOUGH_MS);
    expect(told).toEqual(["three"]);
  });

  it("is seen when Kubernetes swaps the link of a mounted secret", async () => {
    for (const name of ["first", "second"]) {
      mkdirSync(join(path, name));
      put({ username: "edge", password: name }, join(path, name));
    }
    symlinkSync("first", join(path, "..data"));
    for (const name of ["username", "password"]) {
      symlinkSync(join("..data", name), join(path, name));
    }
    const folder = open();
    const told: (string | undefined)[] = [];
    folder.onChange(() => told.push(folder.read().login?.password));
    symlinkSync("second", join(path, "..data_tmp"));
    renameSync(join(path, "..data_tmp"), join(path, "..data"));
    await clock.advance(ENOUGH_MS);
    expect(told).toEqual(["second"]);
    folder.close();
  });
});
