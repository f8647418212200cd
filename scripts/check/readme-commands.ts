import type { Finding } from "./finding.ts";
import type { Project } from "./project.ts";

const COMMAND = /\bnpm (?:run (?:-s |--silent )?([\w:-]+)|(start|test)\b)/g;

/** A command that the docs tell the reader to type exists, unless its line says "not yet". */
export function readmeCommands(project: Project): Finding[] {
  const manifest = JSON.parse(project.files.get("package.json") ?? "{}") as {
    scripts?: Record<string, string>;
  };
  const scripts = manifest.scripts ?? {};
  return [...project.files]
    .filter(([file]) => file.endsWith(".md"))
    .flatMap(([file, text]) =>
      text.split("\n").flatMap((line, index) =>
        line.includes("not yet")
          ? []
          : unknownIn(line, scripts).map((name) => ({
              file,
              line: index + 1,
              message: `package.json has no script "${name}"`,
            })),
      ),
    );
}

function unknownIn(line: string, scripts: Readonly<Record<string, string>>): string[] {
  return [...line.matchAll(COMMAND)]
    .map((match) => match[1] ?? match[2] ?? "")
    .filter((name) => scripts[name] === undefined);
}
