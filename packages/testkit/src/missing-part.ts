/** Something a user must provide, and every way to provide it. */
export class MissingPart extends Error {
  override readonly name = "MissingPart";

  constructor(what: string, ways: readonly string[], cause?: unknown) {
    super(`${what}\n${ways.map((way) => `  - ${way}`).join("\n")}`, { cause });
  }
}
