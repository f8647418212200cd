import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "./clock.ts";

/** What a folder of credentials says; all of it may be absent. */
export interface Credentials {
  /** Without TLS everything can be read on the way: for test nets only. */
  readonly isTlsOff: boolean;
  /** PEM of the authorities that are trusted instead of the system's. */
  readonly authorities?: string;
  /** PEM of what this side shows of itself. */
  readonly certificate?: { readonly chain: string; readonly key: string };
  readonly login?: { readonly username?: string; readonly password: string };
  readonly mechanism?: string;
}

export interface CredentialSource {
  /** As they stand now. Throws, and says why, when they can't be read or do not fit each other. */
  read(): Credentials;
}

export interface CredentialFolderOptions {
  readonly path: string;
  readonly clock: Clock;
}

const FILES = [
  "ca.crt",
  "user.crt",
  "user.key",
  "tls.crt",
  "tls.key",
  "username",
  "password",
  "mechanism",
  "tls",
  "sasl.jaas.config",
] as const;

type FileName = (typeof FILES)[number];
type Files = ReadonlyMap<FileName, string>;

/** A mounted secret is swapped at once, but people copy one file after the other. */
const POLL_MS = 1_000;

/**
 * Credentials as files of one folder, with the names that cert-manager and Strimzi give them in the
 * secrets that Kubernetes mounts. They are read for every new connection, and never kept.
 *
 * A change is told when the files have stood unchanged for a whole poll, so that nobody connects
 * with the new certificate and the old key. Contents are compared, not times or links: a mounted
 * secret changes by a link of the folder above, other tools write in place.
 *
 * No message of this class holds anything of a file but its name.
 */
export class CredentialFolder implements CredentialSource {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #told: string;
  #seen: string;
  #timer: Timer | undefined;

  constructor({ path, clock }: CredentialFolderOptions) {
    this.#path = path;
    this.#clock = clock;
    this.#told = this.#fingerprint();
    this.#seen = this.#told;
    this.#schedule();
  }

  read(): Credentials {
    return credentialsOf(filesIn(this.#path), this.#path);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  #schedule(): void {
    this.#timer = this.#clock.after(POLL_MS, () => {
      this.#schedule();
      this.#compare();
    });
  }

  #compare(): void {
    const now = this.#fingerprint();
    const isSettled = now === this.#seen;
    this.#seen = now;
    if (!isSettled || now === this.#told) return;
    this.#told = now;
    for (const listener of this.#listeners) listener();
  }

  /** Of what the files hold; a folder that can't be read is a state like others. */
  #fingerprint(): string {
    const hash = createHash("sha256");
    try {
      for (const [name, text] of filesIn(this.#path)) hash.update(JSON.stringify([name, text]));
    } catch {
      // Whoever connects reads it, too, and tells why it can't be read.
      hash.update("not readable");
    }
    return hash.digest("hex");
  }
}

/** The same folder, for who connects once and hears of no change. */
export function credentialsIn(path: string): CredentialSource {
  return { read: () => credentialsOf(filesIn(path), path) };
}

function filesIn(path: string): Files {
  const files = new Map<FileName, string>();
  for (const name of FILES) {
    const text = textOf(path, name);
    if (text !== undefined) files.set(name, text);
  }
  if (files.size > 0) return files;
  throw new Error(`${path} holds none of the files ${FILES.join(", ")}`);
}

function textOf(path: string, name: FileName): string | undefined {
  try {
    // Editors and `echo` end a file with a line break that belongs to no secret.
    return readFileSync(join(path, name), "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new Error(`${join(path, name)} can't be read: ${code ?? "unknown"}`, { cause });
  }
}

function credentialsOf(files: Files, path: string): Credentials {
  const authorities = files.get("ca.crt");
  const mechanism = files.get("mechanism");
  const certificate = certificateOf(files, path);
  const login = loginOf(files);
  return {
    isTlsOff: files.get("tls")?.trim() === "off",
    ...(authorities !== undefined && { authorities }),
    ...(certificate && { certificate }),
    ...(login && { login }),
    ...(mechanism !== undefined && { mechanism: mechanism.trim().toLowerCase() }),
  };
}

function certificateOf(files: Files, path: string): Credentials["certificate"] {
  for (const kind of ["user", "tls"] as const) {
    const chain = files.get(`${kind}.crt`);
    const key = files.get(`${kind}.key`);
    if (chain !== undefined && key !== undefined) return { chain, key };
    if (chain !== undefined || key !== undefined) {
      throw new Error(`${path} needs both ${kind}.crt and ${kind}.key`);
    }
  }
  return undefined;
}

function loginOf(files: Files): Credentials["login"] {
  const username = files.get("username") ?? jaasUsername(files.get("sasl.jaas.config"));
  const password = files.get("password");
  return password === undefined
    ? undefined
    : { password, ...(username !== undefined && { username }) };
}

/** Strimzi's secret of a SCRAM user says its name only in the line that is meant for Java clients. */
function jaasUsername(line = ""): string | undefined {
  return /\busername="([^"]*)"/.exec(line)?.[1];
}
