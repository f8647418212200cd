import type { ConnectionOptions } from "node:tls";
import type { CredentialFolder } from "@millrace/runtime";
import type { SASLOptions } from "kafkajs";

/** How a connection to a broker is secured, in kafkajs' words. */
export interface KafkaSecurity {
  readonly ssl?: ConnectionOptions;
  readonly sasl?: SASLOptions;
}

const MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;
const MECHANISM_DEFAULT = "scram-sha-512";

/**
 * As the folder stands now: asked for each connection. Without a folder a connection is plain;
 * with one it is TLS, unless the folder says that it shall not be. Throws when the folder's files
 * do not fit each other.
 */
export function kafkaSecurity(folder: CredentialFolder | undefined): KafkaSecurity {
  if (folder === undefined) return {};
  const { isTlsOff, authorities, certificate, login, mechanism } = folder.read();
  const ssl: ConnectionOptions = {
    ...(authorities !== undefined && { ca: authorities }),
    ...(certificate && { cert: certificate.chain, key: certificate.key }),
  };
  return {
    ...(!isTlsOff && { ssl }),
    // A new object each time: kafkajs notes in it what it has made of it.
    ...(login && { sasl: { mechanism: mechanismOf(mechanism), ...login } }),
  };
}

function mechanismOf(text: string = MECHANISM_DEFAULT): (typeof MECHANISMS)[number] {
  const mechanism = MECHANISMS.find((known) => known === text);
  if (mechanism === undefined) {
    throw new Error(`the file mechanism must say one of ${MECHANISMS.join(", ")}`);
  }
  return mechanism;
}
