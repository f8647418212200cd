import type { Log } from "@millrace/log";
import type { Logger } from "@millrace/runtime";
import { startAdminPage } from "./admin/admin-page.ts";
import type { AdminServices } from "./admin/admin-routes.ts";
import type { Admission } from "./admission/admission.ts";
import type { EdgeConfig } from "./config.ts";
import type { EdgeDrain } from "./edge-drain.ts";
import type { EdgeOwnership } from "./edge-ownership.ts";
import type { EdgeRights } from "./edge-rights.ts";
import type { EdgeTelling } from "./edge-standing.ts";
import type { EdgeMetrics } from "./metrics.ts";
import { startMetricsPage } from "./server/metrics-page.ts";
import type { Sessions } from "./session/sessions.ts";

interface PagesParts {
  readonly logger: Logger;
  readonly metrics: EdgeMetrics;
  readonly admission: Admission;
  readonly sessions: Sessions;
  readonly log: Log;
  readonly ruled: EdgeRights;
  readonly owned: EdgeOwnership;
  readonly drain: EdgeDrain;
  readonly telling: EdgeTelling;
  readonly stop: (() => void) | undefined;
}

/** What Prometheus asks, and what operators call, each on a port of its own. */
export async function startPages(
  config: EdgeConfig,
  parts: PagesParts,
): Promise<{ readonly adminPort: number; close(): void }> {
  const { logger, metrics, admission } = parts;
  const page = await startMetricsPage(config, metrics.registry);
  const admin = await startAdminPage({
    address: config.admin,
    logger,
    services: adminServices(config, parts),
    identify: (authorization) => admission.identifyOperator(authorization),
  });
  return {
    adminPort: admin.port,
    close: () => {
      page.close();
      admin.close();
    },
  };
}

function adminServices({ drainMs }: EdgeConfig, parts: PagesParts): AdminServices {
  const { sessions, log, ruled, owned, drain, telling, stop } = parts;
  return {
    sessions,
    rulings: ruled.services,
    reports: telling.reports,
    orders: {
      ...ruled.orderServices,
      partitions: () => log.epoch?.partitions,
      rejoin: () => owned.ownership.rejoin(),
    },
    stopping: { drainMs, stop, drain },
  };
}
