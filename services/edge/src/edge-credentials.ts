import { type Clock, CredentialFolder } from "@millrace/runtime";
import type { EdgeConfig } from "./config.ts";

/** Whom to trust and how to log in, for each dependency that has a folder for it. */
export interface EdgeCredentials {
  readonly kafka: { readonly credentials?: CredentialFolder };
  readonly redis: { readonly credentials?: CredentialFolder };
  close(): void;
}

export function openCredentials(
  { kafkaSecurityDir, redisSecurityDir }: EdgeConfig,
  clock: Clock,
): EdgeCredentials {
  const kafka = folderAt(kafkaSecurityDir, clock);
  const redis = folderAt(redisSecurityDir, clock);
  return {
    kafka,
    redis,
    close: () => {
      kafka.credentials?.close();
      redis.credentials?.close();
    },
  };
}

function folderAt(path: string, clock: Clock): { readonly credentials?: CredentialFolder } {
  return path === "" ? {} : { credentials: new CredentialFolder({ path, clock }) };
}
