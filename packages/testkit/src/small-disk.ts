import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, rmdirSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PIECE_BYTES = 1_048_576;

/** A disk of a few megabytes that a test may fill: in memory, so that nothing else fills with it. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Undefined where we may not mount: it takes root on Linux. */
  static mount(megabytes: number): SmallDisk | undefined {
    const path = mkdtempSync(join(tmpdir(), "millrace-disk-"));
    try {
      const options = ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path];
      execFileSync("mount", options, { stdio: "ignore" });
      return new SmallDisk(path);
    } catch {
      // Without the right, or without the command: whoever asked does without.
      rmdirSync(path);
      return undefined;
    }
  }

  /** To the last byte. */
  fill(): void {
    const file = openSync(this.#filler, "w");
    try {
      for (let size = PIECE_BYTES; size >= 1;) {
        try {
          writeSync(file, Buffer.alloc(size));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
          size >>= 1;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  relieve(): void {
    rmSync(this.#filler, { force: true });
  }

  unmount(): void {
    execFileSync("umount", ["-l", this.path]);
    rmdirSync(this.path);
  }

  get #filler(): string {
    return join(this.path, "filler");
  }
}
