import { type OptionTable, readOptions } from "../../../packages/runtime/src/options.ts";
import { CONTROL_OPTIONS, CONTROL_PREFIX } from "../../../services/control/src/config.ts";
import { EDGE_OPTIONS, EDGE_PREFIX } from "../../../services/edge/src/config.ts";
import { type ManifestSet, environmentOf, ofKind } from "./manifest.ts";

/** Which options a container has, by its name. */
const TABLES: Readonly<Record<string, { readonly table: OptionTable; readonly prefix: string }>> = {
  control: { table: CONTROL_OPTIONS, prefix: CONTROL_PREFIX },
  edge: { table: EDGE_OPTIONS, prefix: EDGE_PREFIX },
};

/**
 * Each service would start with the environment that its container has: every variable is an
 * option, every value is one, nothing is missing, and no link of a service is in the way.
 */
export function serviceOptions(set: ManifestSet): string[] {
  return ofKind(set, "Deployment").flatMap(({ metadata, spec: { template } }) =>
    template.spec.containers.flatMap((container) => {
      const known = TABLES[container.name];
      if (known === undefined) return [];
      const { table, prefix } = known;
      const environment = environmentOf(set, container);
      const read = readOptions(table, { prefix, environment });
      const messages = read.ok ? [] : [...read.problems];
      if (template.spec.enableServiceLinks !== false) {
        messages.push(`enableServiceLinks is not false: a Service's name may make a ${prefix}PORT`);
      }
      return messages.map((message) => `${metadata.name}: ${message}`);
    }),
  );
}
