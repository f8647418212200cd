import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Child, startChild } from "../child.ts";
import type { ContainerEnvironment } from "./container-environment.ts";
import { type RunningContainer, runHandler } from "./container-handler.ts";
import { ApiError, type KubernetesApi } from "./kubernetes-api.ts";
import type { Container, ContainerState, Pod } from "./objects.ts";
import { PodReport, type PodState, pathOf, timeStamp } from "./pod-report.ts";
import { Prober } from "./prober.ts";

/** What an image is on this machine. */
export interface LocalImage {
  /** Its working directory. */
  readonly folder: string;
  /** For a container without a command of its own. */
  readonly command: readonly string[];
  /** What stands for the first word of a command: `node` needs more words here than in the image. */
  readonly programs: Readonly<Record<string, readonly string[]>>;
}

export interface PodProcessOptions {
  readonly api: KubernetesApi;
  readonly environment: ContainerEnvironment;
  readonly pod: Pod;
  readonly address: string;
  readonly image: LocalImage;
  readonly logFolder: string;
}

const SECOND_MS = 1_000;
const GRACE_S = 30;
const NOT_FOUND = 404;

/** The first restart is at once; then each waits twice as long, until one has run for long enough. */
const BACKOFF = { firstMs: 10_000, mostMs: 300_000, forgottenMs: 600_000 } as const;

/** A pod as a kubelet runs it, but its one container is a process of this machine. */
export class PodProcess {
  readonly address: string;
  readonly outputFile: string;
  /** Of each run that has ended. */
  readonly exitCodes: number[] = [];
  readonly #options: PodProcessOptions;
  readonly #container: Container;
  readonly #report: PodReport;
  /** Aborts when nobody runs this pod any more, here or anywhere. */
  readonly #end = new AbortController();
  /** Aborts when the pod is to stop: nothing is started again. */
  readonly #stopping = new AbortController();
  readonly #ran: Promise<void>;
  #probers: Prober[] = [];
  #child: Child | undefined;
  #running: RunningContainer | undefined;
  #terminating: Promise<void> | undefined;
  #reported: Promise<void> = Promise.resolve();
  #state: PodState = {
    phase: "Pending",
    isStarted: false,
    isReady: false,
    restartCount: 0,
    state: { waiting: { reason: "ContainerCreating" } },
    lastState: {},
  };

  constructor(options: PodProcessOptions) {
    const { api, pod, address, logFolder } = options;
    const [container] = pod.spec.containers;
    if (container === undefined) throw new Error(`${pod.metadata.name} has no container`);
    this.#options = options;
    this.#container = container;
    this.address = address;
    this.outputFile = join(logFolder, `${pod.metadata.name}.log`);
    this.#report = new PodReport({ api, pod, address, signal: this.#end.signal });
    this.#ran = this.#run();
  }

  get pid(): number | undefined {
    return this.#child?.hasExited === false ? this.#child.pid : undefined;
  }

  /** kill -9 of the process alone, as a kernel out of memory does it; the kubelet restarts it. */
  async kill(): Promise<void> {
    const child = this.#child;
    child?.signal("SIGKILL");
    await child?.exited;
  }

  /** preStop, SIGTERM, SIGKILL after the grace period; then the pod is deleted. */
  terminate(
    graceS = this.#options.pod.spec.terminationGracePeriodSeconds ?? GRACE_S,
  ): Promise<void> {
    this.#terminating ??= this.#terminate(graceS);
    return this.#terminating;
  }

  /** At once, and nobody is told. */
  async abandon(): Promise<void> {
    this.#end.abort();
    this.#stopping.abort();
    this.#stopProbes();
    this.#child?.signal("SIGKILL");
    await this.#ran;
  }

  async #run(): Promise<void> {
    let waitMs = 0;
    while (!this.#stopping.signal.aborted) {
      const startMs = performance.now();
      const ended = await this.#runOnce();
      if (this.#stopping.signal.aborted) return;
      if (performance.now() - startMs > BACKOFF.forgottenMs) waitMs = 0;
      this.#set({
        phase: "Running",
        isReady: false,
        isStarted: false,
        restartCount: this.#state.restartCount + 1,
        state: waitMs === 0 ? ended : { waiting: { reason: "CrashLoopBackOff" } },
        lastState: ended,
      });
      await this.#pause(waitMs);
      waitMs = waitMs === 0 ? BACKOFF.firstMs : Math.min(2 * waitMs, BACKOFF.mostMs);
    }
  }

  /** Starts the container and resolves when it has ended. */
  async #runOnce(): Promise<ContainerState> {
    const startedAt = timeStamp();
    const running = await this.#prepare();
    // A pod that is stopped before it has begun never runs.
    if (running === undefined || this.#stopping.signal.aborted) return failedToStart(startedAt);
    const [command = "", ...args] = this.#command;
    const { environment, folder } = running;
    const { outputFile } = this;
    this.#child = startChild({ command, args, cwd: folder, env: environment, outputFile });
    this.#running = running;
    this.#set({ phase: "Running", state: { running: { startedAt } } });
    this.#startProbes(running);
    const { code, signal } = await this.#child.exited;
    this.#stopProbes();
    const number = signal === null ? undefined : constants.signals[signal as NodeJS.Signals];
    const exitCode = code ?? 128 + (number ?? 0);
    this.exitCodes.push(exitCode);
    const reason = exitCode === 0 ? "Completed" : "Error";
    return { terminated: { exitCode, reason, startedAt, finishedAt: timeStamp() } };
  }

  async #prepare(): Promise<RunningContainer | undefined> {
    const { environment, pod, image, address } = this.#options;
    const container = this.#container;
    try {
      const values = await environment.read(container, { pod, podAddress: address });
      return { container, address, environment: values, folder: image.folder };
    } catch {
      // A ConfigMap may still be on its way: it is tried again after a while, as a restart is.
      this.#set({ state: { waiting: { reason: "CreateContainerConfigError" } } });
      return undefined;
    }
  }

  get #command(): readonly string[] {
    const { image } = this.#options;
    const { command = image.command, args = [] } = this.#container;
    const [program = "", ...rest] = [...command, ...args];
    return [...(image.programs[program] ?? [program]), ...rest];
  }

  #startProbes(running: RunningContainer): void {
    const { startupProbe: probe } = this.#container;
    if (probe === undefined) {
      this.#started(running);
      return;
    }
    const onVerdict = (isSuccess: boolean): void => {
      this.#stopProbes();
      if (isSuccess) this.#started(running);
      else void this.#restart();
    };
    this.#probers = [new Prober({ probe, running, onVerdict })];
  }

  #started(running: RunningContainer): void {
    const { readinessProbe, livenessProbe } = this.#container;
    this.#set({ isStarted: true, isReady: readinessProbe === undefined });
    if (readinessProbe !== undefined) {
      const onVerdict = (isReady: boolean): void => this.#set({ isReady });
      this.#probers.push(new Prober({ probe: readinessProbe, running, onVerdict }));
    }
    if (livenessProbe !== undefined) {
      const onVerdict = (isSuccess: boolean): void => {
        if (!isSuccess && !this.#stopping.signal.aborted) void this.#restart();
      };
      this.#probers.push(new Prober({ probe: livenessProbe, running, onVerdict }));
    }
  }

  #stopProbes(): void {
    for (const prober of this.#probers.splice(0)) prober.stop();
  }

  /** A container that fails its liveness is stopped in order; then it is started again. */
  async #restart(): Promise<void> {
    this.#stopProbes();
    const { terminationGracePeriodSeconds: graceS = GRACE_S } = this.#options.pod.spec;
    await this.#stopChild(graceS);
  }

  async #terminate(graceS: number): Promise<void> {
    this.#stopping.abort();
    await this.#stopChild(graceS);
    this.#stopProbes();
    await this.#ran;
    if (this.#end.signal.aborted) return;
    const { api, pod } = this.#options;
    const phase = this.exitCodes.at(-1) === 0 ? "Succeeded" : "Failed";
    this.#set({ phase, isReady: false });
    await this.#reported;
    const options = { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } };
    try {
      await api.delete(pathOf(pod), options);
    } catch (error) {
      // Somebody was faster, or all of it is being stopped.
      const isGone = error instanceof ApiError && error.status === NOT_FOUND;
      if (!isGone && !this.#end.signal.aborted) throw error;
    }
  }

  async #stopChild(graceS: number): Promise<void> {
    const child = this.#child;
    const running = this.#running;
    if (child === undefined || running === undefined || child.hasExited) return;
    const over = setTimeout(() => child.signal("SIGKILL"), graceS * SECOND_MS);
    const { preStop } = this.#container.lifecycle ?? {};
    if (preStop !== undefined) {
      const limit = AbortSignal.timeout(graceS * SECOND_MS);
      await runHandler(preStop, running, AbortSignal.any([limit, this.#end.signal]));
    }
    child.signal("SIGTERM");
    await child.exited;
    clearTimeout(over);
  }

  #set(change: Partial<PodState>): void {
    this.#state = { ...this.#state, ...change };
    this.#reported = this.#report.set(this.#state);
  }

  async #pause(ms: number): Promise<void> {
    // Aborted: the loop sees it.
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}

function failedToStart(atTime: string): ContainerState {
  const times = { startedAt: atTime, finishedAt: atTime };
  return { terminated: { exitCode: 128, reason: "CreateContainerConfigError", ...times } };
}
