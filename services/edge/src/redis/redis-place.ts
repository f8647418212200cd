import type { CredentialSource } from "@millrace/runtime";
import type { RedisOptions } from "ioredis";

/** Where Redis is, and how a connection to it is secured. */
export interface RedisPlace {
  /** Several, or one that says so: the nodes to begin with of a Redis Cluster. */
  readonly isCluster: boolean;
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly security: Pick<RedisOptions, "tls" | "username" | "password" | "db">;
}

const PORT_DEFAULT = 6379;

/** A comma inside a password is no border between two addresses. */
const BORDER = /\s*,\s*(?=rediss?:\/\/)/;

/**
 * One address, or those of some nodes of a cluster with commas between them. The scheme says whether
 * the connection is TLS; the folder says whom to trust and how to log in. Throws, without a secret,
 * when the two do not fit each other.
 */
export function redisPlace(addresses: string, source: CredentialSource | undefined): RedisPlace {
  const urls = addresses.split(BORDER).map((address) => new URL(address));
  const [first] = urls;
  const nodes = urls.map(({ hostname, port }) => ({
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? PORT_DEFAULT : Number(port),
  }));
  const isCluster = nodes.length > 1 || first?.searchParams.get("cluster") === "true";
  const isTls = first?.protocol === "rediss:";
  if (urls.some(({ protocol }) => protocol !== first?.protocol)) {
    throw new Error("all addresses of Redis must begin with rediss://, or none of them");
  }
  const credentials = source?.read();
  if (!isTls && (credentials?.authorities ?? credentials?.certificate) !== undefined) {
    throw new Error("certificates are given for Redis, and its address begins with redis://");
  }
  const login = credentials?.login ?? loginIn(first);
  const { authorities: ca, certificate } = credentials ?? {};
  const identity = certificate && { cert: certificate.chain, key: certificate.key };
  const db = Number(first?.pathname.slice(1) || 0);
  return {
    isCluster,
    nodes,
    security: {
      db,
      ...login,
      ...(isTls && { tls: { ...(ca !== undefined && { ca }), ...identity } }),
    },
  };
}

function loginIn(url: URL | undefined): { username?: string; password?: string } {
  const username = decodeURIComponent(url?.username ?? "");
  const password = decodeURIComponent(url?.password ?? "");
  return {
    ...(username !== "" && { username }),
    ...(password !== "" && { password }),
  };
}
