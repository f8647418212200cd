type Kind = "string" | "number" | "boolean" | "object" | "list";

/** Fields that must be there, and of which kind. */
export type JsonShape = Readonly<Record<string, Kind>>;

/** The first that is missing or of another kind; whatever else stands there is stepped over. */
export function missingField(json: unknown, fields: JsonShape): string | undefined {
  if (typeof json !== "object" || json === null) return "everything";
  const values = json as Readonly<Record<string, unknown>>;
  return Object.keys(fields).find((name) => !isOf(values[name], fields[name]));
}

function isOf(value: unknown, kind: Kind | undefined): boolean {
  if (kind === "list") return Array.isArray(value);
  if (kind === "object") return typeof value === "object" && value !== null;
  return typeof value === kind;
}
