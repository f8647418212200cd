import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { CertificateAuthority, TlsTerminator } from "@millrace/testkit";
import { describe, expect, it } from "vitest";
import { certificateEndMs } from "./certificates.ts";

const DAY_MS = 86_400_000;

describe("the end of a certificate", () => {
  it("is seen whoever has signed it", async () => {
    const authority = new CertificateAuthority("nobody trusts it");
    const terminator = await TlsTerminator.start({ targetPort: 1, authority });
    const endMs = await certificateEndMs(`wss://127.0.0.1:${terminator.port}/v1/connect`);
    expect(Math.round((endMs - Date.now()) / DAY_MS)).toBe(30);
    await terminator.close();
  });

  it("is not known where nobody shows one", async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await expect(certificateEndMs(`wss://127.0.0.1:${port}`)).rejects.toThrow(
      /disconnected|ECONNRESET/,
    );
    await new Promise((resolve) => server.close(resolve));
  });
});
