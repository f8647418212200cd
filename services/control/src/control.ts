import { readFileSync } from "node:fs";
import { ClusterAdmin } from "@millrace/log";
import { type Clock, CredentialFolder, type Logger } from "@millrace/runtime";
import { IssuerKeys } from "@millrace/runtime/tokens";
import { auditTopicOf } from "@millrace/schemas";
import { startServer } from "./api/server.ts";
import { AuditJournal } from "./audit/audit-journal.ts";
import { AuditReader } from "./audit/audit-reader.ts";
import { openAuditLog } from "./audit/audit-topic.ts";
import { Cluster } from "./cluster/cluster-look.ts";
import { TopicChecks } from "./cluster/topic-checks.ts";
import type { ControlConfig } from "./config.ts";
import type { ControlServices } from "./control-services.ts";
import { EdgeDirectory } from "./edges/edge-directory.ts";
import { Followers } from "./events/followers.ts";
import { pageFiles } from "./page/page-bundle.ts";
import { createControlMetrics } from "./metrics.ts";
import { Throttles } from "./reassignment/throttles.ts";
import { Watch } from "./watch/watch.ts";

export interface Control {
  readonly port: number;
  close(): Promise<void>;
}

export interface ControlParts {
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Opened {
  readonly services: ControlServices;
  close(): Promise<void>;
}

const CLIENT_ID = "millrace-control";
const SETTLE_MS = 1_000;

/** Serves from when it resolves, whether or not Kafka and the edges answer yet. */
export async function startControl(config: ControlConfig, parts: ControlParts): Promise<Control> {
  const { clock, logger } = parts;
  const opened = openServices(config, parts);
  const { services } = opened;
  const metrics = createControlMetrics();
  const version = ownVersion();
  metrics.buildInfo.set({ version, node: process.version }, 1);
  const watch = new Watch({ ...services, metrics });
  const followers = new Followers({ sources: services, clock, logger });
  const keys = new IssuerKeys({ jwks: config.jwks, clock, logger });
  await keys.load();
  const { issuer, audience, host, port } = config;
  const server = await startServer({
    host,
    port,
    page: await pageFiles(),
    services,
    followers,
    operators: { issuer, audience, keys, clock },
    metrics: async () => {
      watch.refresh();
      metrics.followers.set(followers.count);
      const { registry } = metrics;
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  });
  void watch.run();
  void services.throttles.watch();
  void services.auditReader.follow((view) => followers.tell(view));
  return {
    port: server.port,
    close: async () => {
      watch.close();
      followers.close();
      await server.close();
      await opened.close();
    },
  };
}

function openServices(config: ControlConfig, { logger, clock }: ControlParts): Opened {
  const { topic, kafkaBrokers: brokers, isDevelopment, clientUrls } = config;
  const { kafkaSecurityDir: path } = config;
  const end = new AbortController();
  const credentials = path === "" ? undefined : new CredentialFolder({ path, clock });
  const client = { brokers, clientId: CLIENT_ID, clock, ...(credentials && { credentials }) };
  const admin = new ClusterAdmin(client);
  const auditTopic = { ...client, topic: auditTopicOf(topic), isDevelopment, logger };
  const log = openAuditLog(auditTopic, end.signal);
  const audit = new AuditJournal({ log, clock, logger });
  const services: ControlServices = {
    topic,
    admin,
    clock,
    logger,
    clientUrls,
    moving: new Set(),
    directory: new EdgeDirectory({ edges: config.edges, clock }),
    cluster: new Cluster({ admin, topic, clock }),
    topicChecks: new TopicChecks({ admin, clock, topic, isDevelopment }),
    audit,
    auditReader: new AuditReader({ log, clock, logger }),
    throttles: new Throttles({ admin, audit, clock, logger }),
  };
  return {
    services,
    close: async () => {
      end.abort();
      services.throttles.close();
      services.auditReader.close();
      await log.close({ settleMs: SETTLE_MS });
      admin.close();
      credentials?.close();
    },
  };
}

function ownVersion(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { readonly version: string }).version;
}
