import { spawn } from "node:child_process";
import { once } from "node:events";
import { MissingPart, pythonVersion } from "@millrace/testkit";
import { referenceCommand } from "../../scripts/tap/reference.ts";

export interface Place {
  readonly brokers: readonly string[];
  readonly topic: string;
}

/** A record as the reference reader prints it. */
export interface ReadLine {
  readonly conversation: string;
  readonly partition: number;
  readonly offset: string;
  readonly timestamp: string;
  readonly timestampType: "append" | "create";
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What the reader tells beside the records. */
export interface ReadEvent {
  readonly event: "set-aside" | "parked" | "registry" | "end" | "failed";
  readonly partition?: number;
  readonly offset?: string;
  readonly why?: string;
  readonly instead?: string;
  readonly records?: number;
  readonly setAside?: Readonly<Record<string, number>>;
}

export interface ReferenceReading {
  readonly code: number | null;
  readonly lines: readonly ReadLine[];
  readonly events: readonly ReadEvent[];
  readonly stderr: string;
}

/** A record for the foreign producer: `services/tap/reference/write.py` says what each part does. */
export interface ForeignRecord {
  readonly key?: string;
  readonly hex?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly partition?: number;
  readonly timestamp?: number;
}

export interface WrittenPlace {
  readonly partition: number;
  readonly offset: string;
}

/**
 * Prepares the reference. Tells why it can't be run where Python is missing; a Python that can't be
 * given its packages is a failure like any other.
 */
export async function whyNoReference(): Promise<string | undefined> {
  try {
    await pythonVersion();
  } catch (error) {
    if (error instanceof MissingPart) return error.message;
    throw error;
  }
  await referenceCommand("read", { brokers: [], topic: "", tell: () => undefined });
  return undefined;
}

/** The topic to its present end, by the reference reader. */
export async function readByReference(place: Place, ...more: string[]): Promise<ReferenceReading> {
  const { code, stdout, stderr } = await runReference("read", { ...place, more, input: "" });
  const events = jsonLines<ReadEvent>(stderr);
  return { code, lines: jsonLines<ReadLine>(stdout), events, stderr };
}

/** Records of a producer that knows none of our code; resolves with their places, in order. */
export async function writeByReference(
  place: Place,
  records: readonly ForeignRecord[],
  ...more: string[]
): Promise<WrittenPlace[]> {
  const input = records.map((record) => `${JSON.stringify(record)}\n`).join("");
  const { code, stdout, stderr } = await runReference("write", { ...place, more, input });
  if (code !== 0) throw new Error(`the foreign producer ended with ${code}: ${stderr}`);
  return jsonLines<WrittenPlace>(stdout);
}

async function runReference(
  script: "read" | "write",
  options: Place & { readonly more: readonly string[]; readonly input: string },
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const { command, args, env } = await referenceCommand(script, {
    ...options,
    tell: () => undefined,
  });
  const child = spawn(command, args, { env: { ...process.env, ...env } });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  child.stdin.end(options.input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...output };
}

function jsonLines<Line>(text: string): Line[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);
}
