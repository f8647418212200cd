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
    let size = PIECE_BYTES;
    while (size >= 1) {
      if (!writes(file, size)) size >>= 1;
    }
    closeSync(file);
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

/** False where the disk has no room for that. */
function writes(file: number, size: number): boolean {
  try {
    writeSync(file, Buffer.alloc(size));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return false;
    throw error;
  }
}
