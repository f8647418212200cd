/**
 * Whether a path can hold the name. `.` and `..`, escaped or not, are steps from folder to folder for
 * whoever reads addresses (WHATWG URL, § 4.1): a path with them arrives as another one.
 */
export function isPathName(name: string): boolean {
  return name !== "." && name !== "..";
}
