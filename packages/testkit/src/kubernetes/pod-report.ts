import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, type KubernetesApi } from "./kubernetes-api.ts";
import type { Condition, ContainerState, Pod } from "./objects.ts";

/** How a pod with one container stands. */
export interface PodState {
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly isStarted: boolean;
  readonly isReady: boolean;
  readonly restartCount: number;
  readonly state: ContainerState;
  readonly lastState: ContainerState;
}

const AGAIN_MS = 250;
const NOT_FOUND = 404;

/** Without fractions, as the API writes it. */
export function timeStamp(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, "Z");
}

/** Keeps a pod's status in the API as it is here; what changes while one is written goes with the next. */
export class PodReport {
  readonly #api: KubernetesApi;
  readonly #pod: Pod;
  readonly #address: string;
  readonly #signal: AbortSignal;
  readonly #startTime = timeStamp();
  readonly #conditions = new Map<string, Condition>();
  #next: PodState | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: {
    readonly api: KubernetesApi;
    readonly pod: Pod;
    readonly address: string;
    readonly signal: AbortSignal;
  }) {
    this.#api = options.api;
    this.#pod = options.pod;
    this.#address = options.address;
    this.#signal = options.signal;
  }

  /** Resolves when the API has it, or has something newer, or no such pod; it never rejects. */
  set(state: PodState): Promise<void> {
    this.#next = state;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#next !== undefined && !this.#signal.aborted) {
      const state = this.#next;
      this.#next = undefined;
      try {
        await this.#api.patch(`${pathOf(this.#pod)}/status`, { status: this.#statusOf(state) });
      } catch (error) {
        if (error instanceof ApiError && error.status === NOT_FOUND) return;
        this.#next ??= state;
        await sleep(AGAIN_MS);
      }
    }
  }

  #statusOf({ phase, isReady, isStarted, restartCount, state, lastState }: PodState): object {
    const [container] = this.#pod.spec.containers;
    const image = container?.image ?? "";
    const isUp = isReady ? "True" : "False";
    const status = { ready: isReady, started: isStarted, restartCount, state, lastState };
    return {
      phase,
      hostIP: "127.0.0.1",
      podIP: this.#address,
      podIPs: [{ ip: this.#address }],
      startTime: this.#startTime,
      conditions: [
        this.#condition("PodScheduled", "True"),
        this.#condition("Initialized", "True"),
        this.#condition("ContainersReady", isUp),
        this.#condition("Ready", isUp),
      ],
      containerStatuses: [{ name: container?.name, image, imageID: image, ...status }],
    };
  }

  #condition(type: string, status: Condition["status"]): Condition {
    const known = this.#conditions.get(type);
    if (known?.status === status) return known;
    const condition: Condition = { type, status, lastTransitionTime: timeStamp() };
    this.#conditions.set(type, condition);
    return condition;
  }
}

export function pathOf({ metadata: { namespace = "default", name } }: Pod): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}
