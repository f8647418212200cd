import type { Project } from "../project.ts";
import { imageContents } from "./image-contents.ts";
import { type Instruction, type Stage, copiesOf, stagesOf } from "./image-recipe.ts";

export const DOCKERFILE = "infra/docker/Dockerfile";

/** The stages that people build. */
export const IMAGES = ["edge", "control"] as const;

/** Of our Dockerfile, what no linter knows: what is copied, where from, and how an image ends. */
export function imageRules(project: Project): string[] {
  const text = project.files.get(DOCKERFILE);
  if (text === undefined) return [`${DOCKERFILE}: is missing`];
  const stages = stagesOf(text);
  const images = IMAGES.map((name) => stages.find((stage) => stage.name === name));
  return [
    ...stages.flatMap((stage, index) => stageFindings(project, stage, stages.slice(0, index))),
    ...images.flatMap((stage, index) =>
      stage === undefined
        ? [`there is no stage ${IMAGES[index]}`]
        : [...endFindings(stage), ...imageContents(project, stage)],
    ),
  ].map((message) => `${DOCKERFILE}: ${message}`);
}

function stageFindings(project: Project, stage: Stage, earlier: readonly Stage[]): string[] {
  const names = new Set(earlier.map(({ name }) => name));
  const messages = [];
  if (!names.has(stage.from) && !/:[\w.-]*\d[\w.-]*$/.test(stage.from)) {
    messages.push(`${stage.from} is neither a stage before it nor an image with a version`);
  }
  for (const { from, sources } of copiesOf(stage)) {
    if (from !== undefined && !names.has(from))
      messages.push(`there is no stage ${from} before it`);
    if (from !== undefined) continue;
    const gone = sources.filter((source) => !isThere(project, source));
    messages.push(...gone.map((source) => `${source} is not there to be copied`));
  }
  return messages.map((message) => `${stage.name}: ${message}`);
}

function endFindings({ name, instructions }: Stage): string[] {
  const last = (word: string): Instruction | undefined =>
    instructions.findLast((instruction) => instruction.word === word);
  const user = last("USER")?.rest ?? "root";
  const messages = [];
  if (!/^[1-9]\d*(:[1-9]\d*)?$/.test(user))
    messages.push(`USER is ${user}, wanted a number above 0`);
  for (const word of ["HEALTHCHECK", "STOPSIGNAL", "EXPOSE", "LABEL"]) {
    if (last(word) === undefined) messages.push(`has no ${word}`);
  }
  return messages.map((message) => `${name}: ${message}`);
}

function isThere(project: Project, path: string): boolean {
  return [...project.files.keys()].some((file) => file === path || file.startsWith(`${path}/`));
}
