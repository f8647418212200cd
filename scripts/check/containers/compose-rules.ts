import { posix } from "node:path";
import { parse } from "yaml";
import { type OptionTable, readOptions } from "../../../packages/runtime/src/options.ts";
import { CONTROL_OPTIONS, CONTROL_PREFIX } from "../../../services/control/src/config.ts";
import { EDGE_OPTIONS, EDGE_PREFIX } from "../../../services/edge/src/config.ts";
import { templateFindings } from "../manifests/proxy-template.ts";
import type { Project } from "../project.ts";
import { DOCKERFILE, IMAGES } from "./image-rules.ts";

export const COMPOSE_FILE = "infra/compose.yaml";

/** What `npm start` makes; the file says that it has to be there. */
const MADE = "../.millrace/";

interface ComposeService {
  readonly image?: string;
  readonly build?: {
    readonly context: string;
    readonly dockerfile: string;
    readonly target: string;
  };
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: unknown;
  readonly mem_limit?: string;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
}

interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
}

const TABLES: readonly { readonly table: OptionTable; readonly prefix: string }[] = [
  { table: CONTROL_OPTIONS, prefix: CONTROL_PREFIX },
  { table: EDGE_OPTIONS, prefix: EDGE_PREFIX },
];

/** Of the containers on one machine, what no parser knows: whatever is named is there. */
export function composeRules(project: Project): string[] {
  const text = project.files.get(COMPOSE_FILE);
  if (text === undefined) return [`${COMPOSE_FILE}: is missing`];
  const file = parse(text, { merge: true }) as ComposeFile;
  return Object.entries(file.services).flatMap(([name, service]) =>
    [
      ...imageFindings(service),
      ...optionFindings(service),
      ...orderFindings(service, file),
      ...volumeFindings(service, file, project),
      ...portFindings(service),
      ...nginxFindings(service, project),
    ].map((message) => `${COMPOSE_FILE}: ${name}: ${message}`),
  );
}

function imageFindings({ image = "", build, mem_limit: memory }: ComposeService): string[] {
  const messages = [];
  if (memory === undefined) messages.push("has no mem_limit");
  if (build === undefined) {
    return /:v?\d/.test(image) ? messages : [...messages, `${image} has no version`];
  }
  const recipe = posix.join("infra", build.context, build.dockerfile);
  if (recipe !== DOCKERFILE) messages.push(`there is no ${recipe}`);
  const isImage = IMAGES.some((target) => target === build.target);
  return isImage ? messages : [...messages, `there is no image ${build.target}`];
}

function optionFindings({ environment = {} }: ComposeService): string[] {
  const values = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, String(value)]),
  );
  return TABLES.flatMap(({ table, prefix }) => {
    if (!Object.keys(values).some((name) => name.startsWith(prefix))) return [];
    const read = readOptions(table, { prefix, environment: values });
    return read.ok ? [] : [...read.problems];
  });
}

function orderFindings(
  { depends_on: dependencies = {}, build, healthcheck, image }: ComposeService,
  { services }: ComposeFile,
): string[] {
  const messages = Object.entries(dependencies).flatMap(([name, { condition }]) => {
    const other = services[name];
    if (other === undefined) return [`waits for ${name}, which is none`];
    // The images of ours have one of their own.
    const isAsked = other.healthcheck !== undefined || other.build !== undefined;
    const isWaited = condition === "service_healthy" && !isAsked;
    return isWaited ? [`waits for the health of ${name}, which nobody asks`] : [];
  });
  const isTask = Object.values(services).some(({ depends_on: others = {} }) =>
    Object.entries(others).some(
      ([name, { condition }]) =>
        condition === "service_completed_successfully" && services[name]?.image === image,
    ),
  );
  const isUnasked = healthcheck === undefined && build === undefined && !isTask;
  return isUnasked ? [...messages, "has no healthcheck"] : messages;
}

function volumeFindings(
  { volumes = [] }: ComposeService,
  { volumes: named = {} }: ComposeFile,
  project: Project,
): string[] {
  const paths = [...project.files.keys()];
  return volumes.flatMap((volume) => {
    const [source = ""] = volume.split(":");
    if (!source.startsWith(".")) return source in named ? [] : [`there is no volume ${source}`];
    if (source.startsWith(MADE)) return [];
    const path = posix.join("infra", source);
    const isThere = paths.some((file) => file === path || file.startsWith(`${path}/`));
    return isThere ? [] : [`there is no ${path} to mount`];
  });
}

function portFindings({ ports = [] }: ComposeService): string[] {
  return ports
    .filter((port) => !port.startsWith("127.0.0.1:"))
    .map((port) => `publishes ${port} on all addresses of the machine`);
}

function nginxFindings(
  { volumes = [], environment = {} }: ComposeService,
  project: Project,
): string[] {
  return volumes.flatMap((volume) => {
    const [source = ""] = volume.split(":");
    const text = project.files.get(posix.join("infra", source));
    return source.endsWith(".template") ? templateFindings(text ?? "", environment) : [];
  });
}
