import { alertRules } from "./alert-rules.ts";
import { caseList } from "./case-list.ts";
import { classHeritage } from "./class-heritage.ts";
import { dashboards } from "./dashboards.ts";
import { dependencyDocs } from "./dependency-docs.ts";
import { docsLinks } from "./docs-links.ts";
import { environment } from "./environment.ts";
import { fileNames } from "./file-names.ts";
import type { Finding } from "./finding.ts";
import { generatedSections } from "./generated-sections.ts";
import { staleSections } from "./generated-section.ts";
import { importDirection } from "./import-direction.ts";
import { lockFile } from "./lock-file.ts";
import { machineTraces } from "./machine-traces.ts";
import { openapiDocs } from "./openapi-docs.ts";
import type { Project } from "./project.ts";
import { promises } from "./promises.ts";
import { protocolCodes } from "./protocol-codes.ts";
import { readmeCommands } from "./readme-commands.ts";

export type HouseRule = (project: Project) => readonly Finding[];

/** The rules that no tool knows, by the name that `npm run check` prints. */
export const HOUSE_RULES: Readonly<Record<string, HouseRule>> = {
  "import direction": importDirection,
  environment,
  "file names": fileNames,
  "class heritage": classHeritage,
  "lock file": lockFile,
  "machine traces": machineTraces,
  "docs ↔ dependencies": dependencyDocs,
  "docs ↔ links": docsLinks,
  "docs ↔ commands": readmeCommands,
  "docs ↔ tables in the code": (project) => staleSections(project, generatedSections()),
  "docs ↔ OpenAPI": openapiDocs,
  "dashboards ↔ metrics": dashboards,
  "alerts ↔ metrics, runbook, Kubernetes": alertRules,
  "protocol ↔ error table": protocolCodes,
  "promises ↔ tests": promises,
  "cases ↔ tests": caseList,
};
