import { BlockList, isIP, isIPv6 } from "node:net";
import type { Headers } from "./credential.ts";

/** So many hops are looked at: what stands further left was written by nobody whom we know. */
const HOPS_MAX = 16;

const FORWARDED_BYTES_MAX = 1_024;
const PREFIX_BITS_MAX = { ipv4: 32, ipv6: 128 };

/** Groups of an IPv6 address that name its network: a customer usually gets a /64 or more. */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

/** Whether it is an address, or a net as `address/bits`. */
export function isNet(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/");
  const family = familyOf(address);
  if (family === undefined || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= PREFIX_BITS_MAX[family]);
}

/**
 * Under which name a request is counted. `X-Forwarded-For` is believed as far as proxies that we
 * trust have written it: each appends whom it spoke with, so it is read from the right, and the first
 * address that is no trusted proxy's is the client's. What stands left of it the client may have
 * written itself. Of an IPv6 address only the network counts, because who has one has all of it.
 */
export class ClientAddresses {
  readonly #trusted = new BlockList();

  constructor(trustedProxies: readonly string[]) {
    for (const net of trustedProxies) {
      const [address = "", bits] = net.split("/");
      const family = familyOf(address) ?? "ipv4";
      this.#trusted.addSubnet(address, Number(bits ?? PREFIX_BITS_MAX[family]), family);
    }
  }

  nameOf(peer: string, headers: Headers): string {
    let address = unmapped(peer);
    const hops = hopsOf(headers);
    while (this.#isTrusted(address)) {
      const hop = hops.pop();
      // Nobody was named, or with a word that is no address: it counts as the proxy's own.
      if (hop === undefined || isIP(hop) === 0) break;
      address = hop;
    }
    return isIPv6(address) && !isLoopback(address) ? networkOf(address) : address;
  }

  #isTrusted(address: string): boolean {
    const family = familyOf(address);
    return family !== undefined && this.#trusted.check(address, family);
  }
}

export function isLoopback(address: string): boolean {
  return (
    address === "::1" || /^(?:::ffff:)?127\./.test(address) || /^0*(?::0*)*:0*1$/.test(address)
  );
}

/** The nearest last. Only the end of the header is read, however long it is. */
function hopsOf(headers: Headers): string[] {
  const text = (headers.get("x-forwarded-for") ?? []).join(",").slice(-FORWARDED_BYTES_MAX);
  return text
    .split(",")
    .slice(-HOPS_MAX)
    .map((hop) => unmapped(withoutPort(hop.trim())));
}

/** Some proxies write the port, too: `1.2.3.4:5`, `[::1]:5`. */
function withoutPort(hop: string): string {
  return hop.replace(/^\[(.*)\](?::\d+)?$/, "$1").replace(/^([\d.]+):\d+$/, "$1");
}

/** An IPv4 address that comes over an IPv6 socket is an IPv4 address. */
function unmapped(address: string): string {
  return address.replace(/^(?:::|(?:0+:){5})ffff:(?=\d+\.)/i, "");
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const family = isIP(address);
  if (family === 0) return undefined;
  return family === 6 ? "ipv6" : "ipv4";
}

function networkOf(address: string): string {
  const [left = "", right] = (address.split("%")[0] ?? "").split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const zeros = Array.from({ length: GROUPS - head.length - tail.length }, () => "0");
  const groups = [...head, ...zeros, ...tail].slice(0, NETWORK_GROUPS);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}
