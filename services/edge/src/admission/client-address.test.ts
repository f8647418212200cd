import { describe, expect, it } from "vitest";
import { ClientAddresses, isNet } from "./client-address.ts";

const TRUSTED = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"];
const CLIENT = "203.0.113.7";

function nameOf(peer: string, ...forwarded: string[]): string {
  const headers = new Map([["x-forwarded-for", forwarded]]);
  return new ClientAddresses(TRUSTED).nameOf(peer, headers);
}

describe("the address that a request is counted under", () => {
  it("is its own where it comes straight, whatever it says of itself", () => {
    for (const forged of ["", "1.1.1.1", "10.0.0.1", "x".repeat(8_000), "1.1.1.1, 10.0.0.2"]) {
      expect(nameOf(CLIENT, forged)).toBe(CLIENT);
    }
  });

  it("is the nearest that no trusted proxy has, and nothing left of it", () => {
    expect(nameOf("10.1.2.3", CLIENT)).toBe(CLIENT);
    expect(nameOf("10.1.2.3", `8.8.8.8, ${CLIENT}`)).toBe(CLIENT);
    expect(nameOf("10.1.2.3", `8.8.8.8, ${CLIENT}, 10.9.9.9`)).toBe(CLIENT);
    expect(nameOf("10.1.2.3", "8.8.8.8", `${CLIENT}, 192.0.2.1`)).toBe(CLIENT);
    expect(nameOf("fd00::1", CLIENT)).toBe(CLIENT);
    expect(nameOf("10.1.2.3", `8.8.8.8, ${CLIENT}:4711`)).toBe(CLIENT);
    expect(nameOf("10.1.2.3", `::ffff:${CLIENT}`)).toBe(CLIENT);
  });

  it("is the proxy's where the proxy names nobody, or what is no address", () => {
    for (const forwarded of ["", "unknown", `${CLIENT}, garbage`, "x".repeat(8_000), "1.2.3.4.5"]) {
      expect(nameOf("10.1.2.3", forwarded)).toBe("10.1.2.3");
    }
    expect(nameOf("10.1.2.3", "10.0.0.1, 10.0.0.2")).toBe("10.0.0.1");
  });

  it("is one for a whole IPv6 network, however it is spelt", () => {
    const names = ["2001:db8:0:7::1", "2001:0db8:0000:0007:ffff:1:2:3", "[2001:DB8:0:7::9]:443"];
    expect(new Set(names.map((name) => nameOf("10.0.0.1", name)))).toEqual(
      new Set(["2001:db8:0:7::/64"]),
    );
    expect(nameOf("2001:db8:0:8::1")).toBe("2001:db8:0:8::/64");
    expect(nameOf("0000:0000:0000:0000:0000:ffff:10.0.0.1", CLIENT)).toBe(CLIENT);
    expect(nameOf("::1")).toBe("::1");
  });
});

describe("isNet", () => {
  it("knows addresses and nets from anything else", () => {
    for (const net of [...TRUSTED, "::1", "0.0.0.0/0"])
      expect([net, isNet(net)]).toEqual([net, true]);
    for (const text of [
      "",
      "10.0.0.0/33",
      "::/129",
      "10.0.0",
      "host",
      "10.0.0.0/8/8",
      "10.0.0.0/",
    ]) {
      expect([text, isNet(text)]).toEqual([text, false]);
    }
  });
});
