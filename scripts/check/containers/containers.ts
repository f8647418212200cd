import type { Project } from "../project.ts";
import { composeRules } from "./compose-rules.ts";
import { lintContainers } from "./container-linters.ts";
import { imageRules } from "./image-rules.ts";

/** The images and the containers on one machine, as far as they can be judged without an engine. */
export async function containers(check: {
  readonly project: Project;
  readonly root: string;
  readonly skip: (what: string) => void;
}): Promise<string[]> {
  const { project, root, skip } = check;
  const linted = await lintContainers(root, skip);
  return [...linted, ...imageRules(project), ...composeRules(project)];
}
