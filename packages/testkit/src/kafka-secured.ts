import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CertificateAuthority } from "./certificate-authority.ts";

/** The ways to a broker that ask who one is. */
export type SecuredProtocol = "SASL_SSL" | "SSL" | "SASL_PLAINTEXT";

export type SecuredPorts = Readonly<Record<SecuredProtocol, number>>;

export interface SecuredOptions {
  /** Signs the broker's certificate and those of its clients. */
  readonly authority: CertificateAuthority;
  /** Users of SASL PLAIN and their passwords; those of SCRAM are made when the broker runs. */
  readonly plainUsers?: Readonly<Record<string, string>>;
}

const SASL_MODULES = {
  "scram-sha-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
  "scram-sha-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
  plain: "org.apache.kafka.common.security.plain.PlainLoginModule",
} as const;

/**
 * Settings of a broker where nobody may do anything that no ACL allows, but the test itself: it
 * comes by the plain listener, whose principal is a super user.
 */
export function securedSettings(options: {
  readonly secured: SecuredOptions;
  readonly ports: SecuredPorts;
  readonly plainPort: number;
  readonly controllerPort: number;
  /** Gets the certificates. */
  readonly folder: string;
}): Record<string, string> {
  const { secured, ports, plainPort, controllerPort, folder } = options;
  const clients = [
    `PLAINTEXT://127.0.0.1:${plainPort}`,
    ...Object.entries(ports).map(([protocol, port]) => `${protocol}://127.0.0.1:${port}`),
  ].join(",");
  return {
    listeners: `${clients},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": clients,
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
    ...certificateSettings(secured.authority, folder),
    ...saslSettings("sasl_ssl", secured),
    ...saslSettings("sasl_plaintext", secured),
    "listener.name.ssl.ssl.client.auth": "required",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "false",
    "super.users": "User:ANONYMOUS",
  };
}

function certificateSettings(
  authority: CertificateAuthority,
  folder: string,
): Record<string, string> {
  const { chain, key } = authority.issue("broker");
  const [keystore, truststore] = [join(folder, "broker.pem"), join(folder, "authority.pem")];
  writeFileSync(keystore, key + chain);
  writeFileSync(truststore, authority.certificate);
  return {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": keystore,
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": truststore,
  };
}

function saslSettings(listener: string, { plainUsers = {} }: SecuredOptions) {
  const settings: Record<string, string> = {
    [`listener.name.${listener}.sasl.enabled.mechanisms`]: Object.keys(SASL_MODULES)
      .join(",")
      .toUpperCase(),
  };
  const users = Object.entries(plainUsers).map(([name, password]) => ` user_${name}="${password}"`);
  for (const [mechanism, module] of Object.entries(SASL_MODULES)) {
    const known = mechanism === "plain" ? users.join("") : "";
    settings[`listener.name.${listener}.${mechanism}.sasl.jaas.config`] =
      `${module} required${known};`;
  }
  return settings;
}
