import type { Clock, Logger } from "@millrace/runtime";
import type { AdmissionOptions } from "./admission/admission.ts";
import { Newcomers } from "./admission/newcomers.ts";
import type { EdgeConfig } from "./config.ts";
import type { EdgeLimits } from "./limits.ts";
import type { EdgeMetrics } from "./metrics.ts";
import { planMemory } from "./vitals/memory-plan.ts";
import { type ProcessProbe, systemProbe } from "./vitals/process-probe.ts";
import { Vitals } from "./vitals/vitals.ts";

export interface RoomParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: EdgeLimits;
  readonly metrics: EdgeMetrics;
  /** The system's, where none is given. */
  readonly probe: ProcessProbe | undefined;
}

const MIB = 1_048_576;

/**
 * How much room this edge has for clients. Throws when the memory can't hold what the bounds allow.
 * Nothing is watched before there is a server that can stop to listen.
 */
export class EdgeRoom {
  /** What the admission asks, and whom it tells of those it refused for a limit. */
  readonly doors: Pick<AdmissionOptions, "newcomers" | "onLimited">;
  /** So many are taken at most. */
  readonly connectionsMax: number;
  readonly #parts: RoomParts & { readonly probe: ProcessProbe };
  readonly #memoryBytes: number;
  #vitals: Vitals | undefined;

  constructor({ memoryMb }: Pick<EdgeConfig, "memoryMb">, parts: RoomParts) {
    const { clock, logger, limits, metrics, probe = systemProbe } = parts;
    const { sendBufferBytes, descriptorsMax } = probe;
    const budgetBytes = memoryMb === 0 ? probe.memoryBytes : memoryMb * MIB;
    const plan = planMemory(limits, { budgetBytes, sendBufferBytes });
    const clientDescriptors = descriptorsMax - limits.descriptorReserve;
    if (clientDescriptors <= limits.descriptorReserve) {
      throw new Error(
        `${descriptorsMax} descriptors are too few; raise the system's limit (ulimit -n)`,
      );
    }
    const connectionsMax = Math.min(plan.connections, clientDescriptors);
    logger.info({ connectionsMax, memoryMb: Math.floor(budgetBytes / MIB) }, "room for clients");
    this.connectionsMax = connectionsMax;
    this.#parts = { ...parts, probe };
    this.#memoryBytes = plan.ownBytes;
    this.doors = {
      newcomers: new Newcomers({
        clock,
        limits: { ...limits, connectionsMax },
        random: Math.random,
        shortage: () => this.#vitals?.shortage,
      }),
      onLimited: (limit) => metrics.limited.inc({ limit }),
    };
  }

  /** False: who is connected is served, but nobody should come here. */
  get isThere(): boolean {
    return this.#vitals?.isShort !== true;
  }

  watch(server: { listen(isListening: boolean): boolean }): void {
    const listen = server.listen.bind(server);
    this.#vitals = new Vitals({ ...this.#parts, memoryBytes: this.#memoryBytes, listen });
  }

  close(): void {
    this.#vitals?.stop();
  }
}
