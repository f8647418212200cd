import { createServer } from "node:http";
import type { Registry } from "prom-client";

export interface MetricsPage {
  close(): void;
}

/** The metrics on a port of their own, which clients never reach. Rejects when it is taken. */
export function startMetricsPage(
  place: { readonly host: string; readonly metricsPort: number },
  registry: Registry,
): Promise<MetricsPage> {
  const server = createServer((request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404, { "content-type": "application/json" });
      response.end('{"error":"not-found","message":"the page is /metrics"}');
      return;
    }
    void registry.metrics().then(
      (text) => {
        response.writeHead(200, { "content-type": registry.contentType });
        response.end(text);
      },
      // A gauge that can't be read must not end the edge.
      () => response.writeHead(500).end(),
    );
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(place.metricsPort, place.host, () => {
      resolve({
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}
