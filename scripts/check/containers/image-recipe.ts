/** One stage of a Dockerfile, which is an image of its own. */
export interface Stage {
  readonly name: string;
  /** An image, or another stage. */
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

export interface Instruction {
  /** In capitals. */
  readonly word: string;
  readonly rest: string;
}

export interface Copy {
  /** Absent for the context. */
  readonly from?: string;
  readonly sources: readonly string[];
  readonly target: string;
}

/** The stages of a Dockerfile in their order, with the defaults of its arguments filled in. */
export function stagesOf(text: string): Stage[] {
  const defaults: Record<string, string> = {};
  const stages: { name: string; from: string; instructions: Instruction[] }[] = [];
  for (const instruction of instructionsOf(text)) {
    const { word, rest } = instruction;
    const stage = stages.at(-1);
    if (word === "FROM") {
      const [from = "", name = `stage ${stages.length}`] = rest.split(/\s+AS\s+/i);
      const filled = from.replace(/\$\{(\w+)\}/g, (whole, key: string) => defaults[key] ?? whole);
      stages.push({ name, from: filled, instructions: [] });
    } else if (stage !== undefined) {
      stage.instructions.push(instruction);
    } else if (word === "ARG") {
      const [key = "", value = ""] = rest.split("=");
      defaults[key] = value;
    }
  }
  return stages;
}

export function copiesOf({ instructions }: Stage): Copy[] {
  return instructions
    .filter(({ word }) => word === "COPY")
    .map(({ rest }) => {
      const words = rest.split(/\s+/);
      const from = words.find((word) => word.startsWith("--from="))?.slice("--from=".length);
      const paths = words.filter((word) => !word.startsWith("--"));
      const [target = "", ...sources] = paths.toReversed();
      return { ...(from !== undefined && { from }), sources, target };
    });
}

/** Comments may stand between the lines of one instruction. */
function instructionsOf(text: string): Instruction[] {
  const lines = text.split("\n").filter((line) => !/^\s*(#|$)/.test(line));
  return lines
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .map((line) => {
      const [, word = "", rest = ""] = /^\s*(\S+)\s*(.*)$/.exec(line) ?? [];
      return { word: word.toUpperCase(), rest };
    });
}
