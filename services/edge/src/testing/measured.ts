/** Shown beside the test's name: what was measured, where the assertion is ten times looser. */
export function printMeasured(numbers: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`measured ${JSON.stringify(numbers)}\n`);
}
