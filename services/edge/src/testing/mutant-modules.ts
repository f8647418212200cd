import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MUTANTS } from "./mutants.ts";

const QUERY = "?mutant=";

/** The edge's sources. */
const FOLDER = fileURLToPath(new URL("../", import.meta.url));

/** As much of Vite's plugin as is needed here. */
interface ModulePlugin {
  readonly name: string;
  readonly enforce: "pre";
  resolveId(source: string, importer: string | undefined): string | undefined;
  load(id: string): string | undefined;
}

/**
 * Lets a test import the edge with one of the mutants in it: `import("./x.ts?mutant=3")`. Everything
 * of the edge that such a module imports comes as that mutant, too; all other modules are shared.
 */
export function mutantModules(): ModulePlugin {
  return {
    name: "mutant-modules",
    enforce: "pre",
    resolveId(source, importer) {
      const [path = "", own] = source.split(QUERY);
      const number = own ?? importer?.split(QUERY)[1];
      if (number === undefined || importer === undefined || !path.startsWith(".")) return undefined;
      const file = fileURLToPath(new URL(path, `file://${importer.split("?")[0]}`));
      return file.startsWith(FOLDER) ? `${file}${QUERY}${number}` : undefined;
    },
    load(id) {
      const [file = "", number] = id.split(QUERY);
      if (number === undefined) return undefined;
      const text = readFileSync(file, "utf8");
      const mutant = MUTANTS[Number(number)];
      const isThere = mutant !== undefined && file === `${FOLDER}${mutant.file}`;
      return isThere ? text.replace(mutant.from, () => mutant.to) : text;
    },
  };
}

/** How often a mutant's text stands in its file; it must be once. */
export function timesThere({ file, from }: (typeof MUTANTS)[number]): number {
  return readFileSync(`${FOLDER}${file}`, "utf8").split(from).length - 1;
}
