import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { putInPlace } from "./kafka-jars.ts";
import { MissingPart } from "./missing-part.ts";

const run = promisify(execFile);

const VERSION_MIN = [3, 10] as const;
const INSTALL_MS = 600_000;
const VENV = "venv";
const SITE = "site";

const PYTHON_WAYS = [
  `python3 ≥ ${VERSION_MIN.join(".")} on the PATH, with pip (Debian: python3-pip, and python3-venv if you like)`,
  "a package index that pip can reach, at the first run only",
] as const;

/** A Python that has the wanted packages. */
export interface PythonEnvironment {
  readonly python: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface PythonEnvironmentOptions {
  /** A file of exact versions, one package a line. */
  readonly requirements: string;
  readonly cacheFolder: string;
  readonly tell: (line: string) => void;
  /** Another interpreter than the PATH's: for tests. */
  readonly python?: string;
}

/**
 * Makes an environment once for each list of packages and version of Python, and finds it again. A
 * Python without `venv` or `ensurepip` (Debian has them in a package of their own) installs into a
 * folder that only PYTHONPATH leads to.
 */
export async function pythonEnvironment(
  options: PythonEnvironmentOptions,
): Promise<PythonEnvironment> {
  const { requirements, cacheFolder, tell, python = "python3" } = options;
  const version = await pythonVersion(python);
  const text = readFileSync(requirements, "utf8");
  const hash = createHash("sha256").update(`${python} ${version}\n${text}`).digest("hex");
  const folder = join(cacheFolder, `python-${hash.slice(0, 12)}`);
  if (!existsSync(folder)) {
    tell(`preparing Python ${version} with the packages of ${basename(requirements)}`);
    await install({ python, requirements, folder, tell });
  }
  return environmentIn(folder, python);
}

/** Rejects with a MissingPart where no Python is, or an old one. */
export async function pythonVersion(python = "python3"): Promise<string> {
  try {
    const { stdout } = await run(python, ["-c", "import sys; print(*sys.version_info[:2])"]);
    const [major = 0, minor = 0] = stdout.trim().split(" ").map(Number);
    const isNewEnough =
      major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1]);
    if (isNewEnough) return `${major}.${minor}`;
    throw new Error(`it is ${major}.${minor}`);
  } catch (error) {
    throw new MissingPart("No Python that is new enough was found:", PYTHON_WAYS, error);
  }
}

/** The folder appears whole or not at all. */
async function install(options: {
  readonly python: string;
  readonly requirements: string;
  readonly folder: string;
  readonly tell: (line: string) => void;
}): Promise<void> {
  const { python, requirements, folder, tell } = options;
  mkdirSync(join(folder, ".."), { recursive: true });
  const staging = mkdtempSync(`${folder}.`);
  const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements];
  try {
    if (await makesVenv(python, join(staging, VENV))) {
      await run(join(staging, VENV, "bin", "python"), pip, { timeout: INSTALL_MS });
    } else {
      tell("this Python makes no virtual environment; a plain folder is used instead");
      const target = [...pip, "--target", join(staging, SITE)];
      await run(python, target, { timeout: INSTALL_MS });
    }
    putInPlace(staging, folder);
  } catch (error) {
    const { stderr = "" } = error as { stderr?: string };
    const why = stderr.trim().split("\n").slice(-3).join(" ");
    throw new MissingPart(`pip could not install the packages (${why}):`, PYTHON_WAYS, error);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

async function makesVenv(python: string, folder: string): Promise<boolean> {
  try {
    await run(python, ["-m", "venv", folder]);
    return true;
  } catch {
    // No `venv`, or no `ensurepip` to put pip into it; what was begun is thrown away.
    rmSync(folder, { recursive: true, force: true });
    return false;
  }
}

function environmentIn(folder: string, python: string): PythonEnvironment {
  // The source folder stays as it is in the checkout.
  const env = { PYTHONDONTWRITEBYTECODE: "1", PYTHONUTF8: "1" };
  const venvPython = join(folder, VENV, "bin", "python");
  if (existsSync(venvPython)) return { python: venvPython, env };
  return { python, env: { ...env, PYTHONPATH: join(folder, SITE) } };
}
