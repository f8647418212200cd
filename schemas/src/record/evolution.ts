import { type SchemaVersion, typeOf } from "./schema-index.ts";

/**
 * What breaks full-transitive compatibility: every version must read what every other version has
 * written, the older the newer one's records, too, because consumers are updated at their own pace
 * (Avro 1.12, "Schema Resolution"). Empty when all is well.
 */
export function evolutionProblems(versions: readonly SchemaVersion[]): string[] {
  return [...orderProblems(versions), ...resolutionProblems(versions)];
}

/** Versions count from 1 without a hole, and an id is never used twice. */
function orderProblems(versions: readonly SchemaVersion[]): string[] {
  const ids = new Set<number>();
  return versions.flatMap(({ version, id }, index) => {
    const problems = version === index + 1 ? [] : [`version ${version} stands at ${index + 1}`];
    if (ids.has(id)) problems.push(`version ${version} has the id ${id} of an earlier one`);
    ids.add(id);
    return problems;
  });
}

function resolutionProblems(versions: readonly SchemaVersion[]): string[] {
  const types = versions.map(({ version, schema }) => ({ version, type: typeOf(schema) }));
  return types.flatMap((reader) =>
    types.flatMap((writer) => {
      try {
        reader.type.createResolver(writer.type);
        return [];
      } catch (error) {
        const why = (error as Error).message;
        return [`version ${reader.version} can't read version ${writer.version}: ${why}`];
      }
    }),
  );
}
