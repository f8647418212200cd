import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** What docs/interfaces.md promises to whoever starts the product; it grows only by additions. */
export interface ReadyFile {
  readonly edges: readonly ReadyEdge[];
  /** Load balancers with TLS, each before all edges, where they were asked for. */
  readonly proxy?: readonly ReadyProxy[];
  readonly kafka: {
    readonly brokers: readonly string[];
    /** Of the local broker; empty for one that is not a process of ours. */
    readonly pids: readonly number[];
    readonly source: Source;
  };
  readonly redis: { readonly url: string; readonly pid?: number; readonly source: Source };
  readonly issuer: { readonly url: string; readonly jwks: string };
  /** The schemas of the topic, by the Confluent schema registry's API. */
  readonly registry?: { readonly http: string; readonly pid: number };
  readonly topic: string;
  readonly pid: number;
}

export interface ReadyEdge {
  readonly id: string;
  readonly ws: string;
  readonly http: string;
  readonly metrics: string;
  readonly pid: number;
}

export interface ReadyProxy {
  readonly ws: string;
  /** PEM of the authority that its certificate is trusted by. */
  readonly caFile: string;
  /** Absent for a container. */
  readonly pid?: number;
}

/** Where Kafka or Redis come from. */
export type Source = "env" | "docker" | "local";

/** A Redis URL may hold a password: the file is for its owner. */
const MODE = 0o600;

/** Whoever reads it sees the old file or the new one, never a part. */
export function writeReadyFile(file: string, content: ReadyFile): void {
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.new`;
  writeFileSync(draft, `${JSON.stringify(content, undefined, 2)}\n`, { mode: MODE });
  renameSync(draft, file);
}

/** A file of an earlier run would say that something serves. */
export function removeReadyFile(file: string): void {
  rmSync(file, { force: true });
}
