import { must } from "@millrace/runtime";
import { CertificateAuthority, NginxServer, RedisServer, findNginx } from "@millrace/testkit";
import { RawClient, type RawClientOptions } from "../../services/edge/src/testing/raw-client.ts";
import { Crowd } from "../fleet/crowd.ts";
import { Fleet } from "../fleet/fleet.ts";

const REASON = "no nginx with TLS and realip, 1.18 or newer: what needs one is skipped";

/** Whether tests of the load balancer can be run here; says so where they can't. */
export async function isNginxThere(): Promise<boolean> {
  const isThere = (await findNginx()) !== undefined;
  if (!isThere) process.stderr.write(`${REASON}\n`);
  return isThere;
}

export interface ProxiedFleetOptions {
  readonly brokers: readonly string[];
  readonly edges: number;
  readonly balancers?: number;
  readonly shutdownS?: number;
  readonly trustedHops?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Edges behind load balancers with TLS, each before all of them. */
export class ProxiedFleet {
  readonly fleet: Fleet;
  readonly balancers: NginxServer[] = [];
  #crowd: Crowd | undefined;

  private constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  static async open(options: ProxiedFleetOptions): Promise<ProxiedFleet> {
    const { brokers, edges, balancers = 1, shutdownS, trustedHops } = options;
    const redis = await RedisServer.start();
    const env = { EDGE_TRUSTED_PROXIES: "127.0.0.1", ...options.env };
    const fleet = await Fleet.open({ brokers, edges, redis, delivery: "direct", env });
    const proxied = new ProxiedFleet(fleet);
    try {
      const authority = new CertificateAuthority("fleet");
      for (let index = 0; index < balancers; index++) {
        const how = {
          ...(shutdownS !== undefined && { shutdownS }),
          ...(trustedHops && { trustedHops }),
        };
        proxied.balancers.push(
          await NginxServer.start({ edges: proxied.addresses, authority, ...how }),
        );
      }
    } catch (error) {
      await proxied.close();
      throw error;
    }
    return proxied;
  }

  /** The first load balancer, or that one. */
  balancer(index = 0): NginxServer {
    return must(this.balancers[index], `balancer ${index}`);
  }

  /** `host:port` of the edges. */
  get addresses(): string[] {
    return this.fleet.edges.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** Clients of the SDK that talk through the load balancers. */
  async crowd(options: { readonly count: number; readonly everyMs: number }): Promise<Crowd> {
    this.#crowd = await Crowd.gather({
      ...options,
      edges: this.balancers.map(({ ws }) => ws),
      ca: this.balancer().authority,
      name: "guest",
      tokenFor: (sub) => this.fleet.stage.issuer.token({ sub }),
    });
    return this.#crowd;
  }

  /** A client on the first load balancer; resolves with whatever it came to. */
  async attempt(user: string, more: Partial<RawClientOptions> = {}): Promise<RawClient> {
    const token = await this.fleet.stage.issuer.token({ sub: user });
    const { ws: url, authority: ca } = this.balancer();
    const client = await RawClient.attempt({ url, ca, token, ...more });
    this.fleet.stage.atEnd(() => Promise.resolve(client.terminate()));
    return client;
  }

  /** What the crowd was told, against the topic: offences. */
  async offences(brokers: readonly string[]): Promise<readonly unknown[]> {
    const crowd = must(this.#crowd, "a crowd");
    const { offences } = await crowd.judge({ brokers, topic: this.fleet.stage.topic });
    return offences;
  }

  async close(): Promise<void> {
    this.#crowd?.close();
    await this.fleet.close();
    for (const balancer of this.balancers) await balancer.stop();
  }
}

/** The edge that has welcomed the client. */
export function edgeOf(client: RawClient): string {
  const welcome = client.frames.find(({ t }) => t === "welcome") as { edge?: string } | undefined;
  return welcome?.edge ?? "none";
}
