import { isIP } from "node:net";
import { connect } from "node:tls";
import { LIMITS } from "../limits.ts";

/**
 * When the certificate that is shown there ends, milliseconds since 1970. Whoever has signed it does not
 * matter here: the question is when clients will begin to refuse it. Rejects when none is shown.
 */
export function certificateEndMs(url: string): Promise<number> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: port === "" ? 443 : Number(port),
      // A name chooses the certificate; an address is no name (RFC 6066 §3).
      ...(isIP(host) === 0 && { servername: host }),
      rejectUnauthorized: false,
      timeout: LIMITS.certificateProbeMs,
    });
    socket.once("secureConnect", () => {
      const { valid_to: end } = socket.getPeerCertificate();
      socket.destroy();
      const endMs = Date.parse(end);
      if (Number.isNaN(endMs)) reject(new Error("no certificate was shown"));
      else resolve(endMs);
    });
    socket.once("timeout", () => socket.destroy(new Error("no answer in time")));
    socket.once("error", reject);
  });
}
