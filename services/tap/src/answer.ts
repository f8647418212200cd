/** What the registry says to a request, before it is bytes. */
export interface Answer {
  readonly status: number;
  /** JSON already. */
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function ok(content: unknown): Answer {
  return { status: 200, body: JSON.stringify(content) };
}

/** A schema is JSON already, and goes out as it stands. */
export function text(body: string): Answer {
  return { status: 200, body };
}

/**
 * The errors of the Confluent Schema Registry's API, as its clients know them: a code of five digits
 * is the status and a number behind it.
 * https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */
export const refusals = {
  unknownSubject: (subject: string) => refuse(40_401, `Subject '${subject}' not found.`),
  unknownVersion: (version: number) => refuse(40_402, `Version ${version} not found.`),
  unknownSchema: (id?: number) =>
    refuse(40_403, `Schema ${id === undefined ? "" : `${id} `}not found`),
  badSchema: (why: string) => refuse(42_201, `Input schema is an invalid Avro schema: ${why}`),
  badVersion: (version: string) =>
    refuse(
      42_202,
      `The specified version '${version}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
    ),
  badRequest: (why: string) => refuse(400, why),
  unknownPath: () => refuse(404, "HTTP 404 Not Found"),
  tooLarge: (bytesMax: number) => refuse(413, `More than ${bytesMax} bytes are not read.`),
  readOnly: (): Answer => ({
    ...refuse(
      405,
      "This registry is read-only: schemas are files in schemas/avro, reviewed in the repository, and their ids stand in index.json there. Nothing is registered, changed or deleted here.",
    ),
    headers: { Allow: "GET, HEAD" },
  }),
} as const;

function refuse(code: number, message: string): Answer {
  const status = code > 999 ? Math.trunc(code / 100) : code;
  return { status, body: JSON.stringify({ error_code: code, message }) };
}
