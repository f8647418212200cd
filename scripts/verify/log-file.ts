import { type FileHandle, open } from "node:fs/promises";
import { StringDecoder } from "node:string_decoder";
import type { Acknowledged, Told } from "@millrace/testkit/judge";

/** A line of any of the logs. `ts` is the log's append time, on messages and acknowledgements. */
export type LogLine = Told & Partial<Acknowledged> & { readonly ts?: number };

const READ_BYTES = 262_144;

/** NDJSON that may still be written, read a part at a time; a line without its end is not one yet. */
export class LogFile {
  readonly name: string;
  readonly #handle: FileHandle;
  readonly #decoder = new StringDecoder("utf8");
  readonly #bytes = Buffer.allocUnsafe(READ_BYTES);
  #at = 0;
  #rest = "";
  readonly #lines: LogLine[] = [];

  private constructor(name: string, handle: FileHandle) {
    this.name = name;
    this.#handle = handle;
  }

  static async open(name: string, path: string): Promise<LogFile> {
    return new LogFile(name, await open(path));
  }

  /** Reads until it has so many lines; false: there are no more at the moment. */
  async fill(count: number): Promise<boolean> {
    while (this.#lines.length < count) {
      const { bytesRead } = await this.#handle.read(this.#bytes, 0, READ_BYTES, this.#at);
      if (bytesRead === 0) return false;
      this.#at += bytesRead;
      const text = this.#rest + this.#decoder.write(this.#bytes.subarray(0, bytesRead));
      const lines = text.split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) if (line !== "") this.#lines.push(JSON.parse(line) as LogLine);
    }
    return true;
  }

  /** The latest time among the lines that were read. */
  get latestMs(): number {
    return this.#lines.reduce((latest, { ts = 0 }) => Math.max(latest, ts), 0);
  }

  /** Takes the lines before the first one that is later than that. */
  take(untilMs: number): LogLine[] {
    const later = this.#lines.findIndex(({ ts = 0 }) => ts > untilMs);
    return this.#lines.splice(0, later === -1 ? this.#lines.length : later);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
