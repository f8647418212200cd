import type { ConnectionOptions } from "node:tls";
import type { CredentialSource, Credentials } from "@millrace/runtime";
import type { SASLOptions } from "kafkajs";

/** How a connection to a broker is secured, in kafkajs' words. */
export interface KafkaSecurity {
  readonly ssl?: ConnectionOptions;
  readonly sasl?: SASLOptions;
}

const MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;
const MECHANISM_DEFAULT = "scram-sha-512";

/**
 * As the credentials stand now: asked for each connection. Without any a connection is plain; with
 * them it is TLS, unless they say that it shall not be. Throws where they do not fit each other.
 */
export function kafkaSecurity(source: CredentialSource | undefined): KafkaSecurity {
  if (source === undefined) return {};
  const { isTlsOff, authorities, certificate, login, mechanism } = source.read();
  const ssl: ConnectionOptions = {
    ...(authorities !== undefined && { ca: authorities }),
    ...(certificate && { cert: certificate.chain, key: certificate.key }),
  };
  return {
    ...(!isTlsOff && { ssl }),
    ...(login && { sasl: saslOf(login, mechanism) }),
  };
}

/** A new object each time: kafkajs notes in it what it has made of it. */
function saslOf(
  { username, password }: NonNullable<Credentials["login"]>,
  mechanism: string | undefined,
): SASLOptions {
  if (username === undefined) throw new Error("a password is given for Kafka, and no username");
  return { mechanism: mechanismOf(mechanism), username, password };
}

function mechanismOf(text: string = MECHANISM_DEFAULT): (typeof MECHANISMS)[number] {
  const mechanism = MECHANISMS.find((known) => known === text);
  if (mechanism === undefined) {
    throw new Error(`the file mechanism must say one of ${MECHANISMS.join(", ")}`);
  }
  return mechanism;
}
