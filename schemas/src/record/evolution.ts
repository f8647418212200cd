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

interface Readable extends SchemaVersion {
  readonly type: Type;
}

type Type = ReturnType<typeof typeOf>;

function resolutionProblems(versions: readonly SchemaVersion[]): string[] {
  const problems: string[] = [];
  const readable = versions.flatMap((version): Readable[] => {
    const type = attempt(() => typeOf(version.schema));
    if (typeof type !== "string") return [{ ...version, type }];
    problems.push(`version ${version.version} is no valid schema: ${type}`);
    return [];
  });
  for (const reader of readable) {
    for (const writer of readable) {
      const why = attempt(() => reader.type.createResolver(writer.type));
      if (typeof why !== "string") continue;
      const named = [why, ...fieldProblems(reader, writer)].join("; ");
      problems.push(`version ${reader.version} can't read version ${writer.version}: ${named}`);
    }
  }
  return problems;
}

/** Fields that both have and one can't read of the other: the whole record's error names no field. */
function fieldProblems(reader: Readable, writer: Readable): string[] {
  const written = new Map(fieldsOf(writer.schema).map(({ name, type }) => [name, type]));
  return fieldsOf(reader.schema).flatMap(({ name, type }) => {
    const other = written.get(name);
    if (other === undefined) return [];
    const why = attempt(() => typeOf(type).createResolver(typeOf(other)));
    return typeof why === "string" ? [`field ${name}: ${why}`] : [];
  });
}

function fieldsOf(
  schema: SchemaVersion["schema"],
): readonly { readonly name: string; readonly type: SchemaVersion["schema"] }[] {
  const { fields } = schema as { readonly fields?: ReturnType<typeof fieldsOf> };
  return fields ?? [];
}

/** What it gives, or the message of what it throws. */
function attempt<Result>(run: () => Result): Result | string {
  try {
    return run();
  } catch (error) {
    return (error as Error).message;
  }
}
