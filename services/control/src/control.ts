import { ClusterAdmin } from "@millrace/log";
import { type Clock, CredentialFolder, type Logger } from "@millrace/runtime";
import { IssuerKeys } from "@millrace/runtime/tokens";
import { startServer } from "./api/server.ts";
import { Cluster } from "./cluster/cluster-look.ts";
import { TopicChecks } from "./cluster/topic-checks.ts";
import type { ControlConfig } from "./config.ts";
import type { ControlServices } from "./control-services.ts";
import { EdgeDirectory } from "./edges/edge-directory.ts";

export interface Control {
  readonly port: number;
  close(): Promise<void>;
}

export interface ControlParts {
  readonly logger: Logger;
  readonly clock: Clock;
}

const CLIENT_ID = "millrace-control";

/** Serves from when it resolves, whether or not Kafka and the edges answer yet. */
export async function startControl(config: ControlConfig, parts: ControlParts): Promise<Control> {
  const { logger, clock } = parts;
  const { kafkaSecurityDir: path, topic, kafkaBrokers: brokers, isDevelopment } = config;
  const credentials = path === "" ? undefined : new CredentialFolder({ path, clock });
  const secured = credentials && { credentials };
  const admin = new ClusterAdmin({ brokers, clientId: CLIENT_ID, clock, ...secured });
  const services: ControlServices = {
    topic,
    admin,
    clock,
    logger,
    directory: new EdgeDirectory({ edges: config.edges, clock }),
    cluster: new Cluster({ admin, topic, clock }),
    topicChecks: new TopicChecks({ admin, topic, isDevelopment }),
    clientUrls: config.clientUrls,
  };
  const keys = new IssuerKeys({ jwks: config.jwks, clock, logger });
  await keys.load();
  const { issuer, audience, host, port } = config;
  const server = await startServer({
    host,
    port,
    services,
    operators: { issuer, audience, keys, clock },
    metrics: async () => ({ contentType: "text/plain", text: "" }),
  });
  return {
    port: server.port,
    close: async () => {
      await server.close();
      admin.close();
      credentials?.close();
    },
  };
}
