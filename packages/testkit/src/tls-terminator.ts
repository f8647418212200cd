import { type AddressInfo, type Socket, connect } from "node:net";
import { type Server, createServer } from "node:tls";
import type { CertificateAuthority } from "./certificate-authority.ts";

/**
 * TLS before a server that has none: the Valkey that the tests fetch is built without it. What
 * comes in is decrypted and passed on over loopback.
 */
export class TlsTerminator {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(options: {
    readonly targetPort: number;
    readonly authority: CertificateAuthority;
    /** Who shows no certificate of the authority is turned away. */
    readonly isMutual?: boolean;
  }): Promise<TlsTerminator> {
    const { targetPort, authority, isMutual = false } = options;
    const { chain, key } = authority.issue("server");
    const trust = { ca: authority.certificate, requestCert: isMutual };
    const server = createServer({ ...trust, rejectUnauthorized: isMutual, cert: chain, key });
    const terminator = new TlsTerminator(server);
    server.on("secureConnection", (client) => terminator.#join(client, targetPort));
    // Whoever does not trust us, or whom we do not trust, breaks off in the middle.
    server.on("tlsClientError", (_, client) => client.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return terminator;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(client: Socket, targetPort: number): void {
    const target = connect({ port: targetPort, host: "127.0.0.1" });
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
