import { errorSections } from "./error-docs.ts";
import type { GeneratedSection } from "./generated-section.ts";
import { limitSections } from "./limit-docs.ts";
import { metricSections } from "./metric-docs.ts";
import { optionSections } from "./option-docs.ts";

/** Every table of the docs that the code writes. */
export function generatedSections(): GeneratedSection[] {
  return [...errorSections(), ...optionSections(), ...metricSections(), ...limitSections()];
}
