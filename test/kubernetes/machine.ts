import { missingForKubernetes } from "@millrace/testkit/kubernetes";

const missing = await missingForKubernetes();

/** Tests are skipped where there can be no control plane; the reason stands above them. */
export const skipsKubernetes = missing !== undefined;

if (missing !== undefined) tell(`no Kubernetes here, its tests are skipped: ${missing}`);

/** Whoever waits for a build sees what for. */
export function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
