import type { Readable } from "node:stream";
import type { ConnectOptions } from "@millrace/client/node";
import type { Client } from "@millrace/client";
import type { Clock } from "@millrace/runtime";

/** All that the command line touches of the world; tests give their own. */
export interface Surroundings {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly clock: Clock;
  readonly connect: (options: ConnectOptions) => Client;
  /** Resolves at Ctrl-C or SIGTERM, which until this is called end the process at once. */
  readonly interrupted: () => Promise<void>;
  /** In a checkout: the product that runs there, or the one that uses the data folder. */
  readonly findProduct?: (dataFolder: string | undefined) => FoundProduct;
}

export type Input = Readable & { readonly isTTY?: boolean };

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): boolean;
  once(event: "drain", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** What a checkout knows of its own product. */
export interface FoundProduct {
  readonly control: string;
  /** A new one each time, for commands that outlive it. */
  readonly token: () => string;
  /** Where clients connect. */
  readonly clientUrls: readonly string[];
}
