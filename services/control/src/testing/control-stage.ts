import { randomUUID } from "node:crypto";
import { silentLogger, systemClock } from "@millrace/runtime";
import { readControlConfig } from "../config.ts";
import { startControl } from "../control.ts";
import { AUDIENCE, ISSUER, TestIssuer } from "./test-issuer.ts";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Readonly<Record<string, unknown>>;
}

/** Control in this process, and operators who ask it over HTTP. */
export class ControlStage {
  readonly topic = `control-${randomUUID()}`;
  readonly issuer: TestIssuer;
  readonly #endings: (() => Promise<unknown> | void)[] = [];
  #url = "";

  private constructor(issuer: TestIssuer) {
    this.issuer = issuer;
  }

  static async open(): Promise<ControlStage> {
    return new ControlStage(await TestIssuer.create());
  }

  get url(): string {
    return this.#url;
  }

  /** Before the others, the last first. */
  atEnd(end: () => Promise<unknown> | void): void {
    this.#endings.push(end);
  }

  async start(options: {
    readonly edges: readonly string[];
    readonly brokers: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  }): Promise<() => Promise<void>> {
    const config = readControlConfig({
      CONTROL_PORT: "0",
      CONTROL_EDGES: options.edges.join(","),
      CONTROL_KAFKA_BROKERS: options.brokers.join(","),
      CONTROL_TOPIC: this.topic,
      CONTROL_ISSUER: ISSUER,
      CONTROL_AUDIENCE: AUDIENCE,
      CONTROL_JWKS: this.issuer.jwks,
      CONTROL_DEVELOPMENT: "true",
      ...options.env,
    });
    if (!config.ok) throw new Error(config.problems.join("; "));
    const control = await startControl(config.values, { logger: silentLogger, clock: systemClock });
    this.#url = `http://127.0.0.1:${control.port}`;
    let isOpen = true;
    const stop = async (): Promise<void> => {
      if (isOpen) await control.close();
      isOpen = false;
    };
    this.atEnd(stop);
    return stop;
  }

  async close(): Promise<void> {
    for (const end of this.#endings.toReversed()) await end();
    this.issuer.remove();
  }

  async call(
    method: string,
    path: string,
    { body, token }: { readonly body?: unknown; readonly token?: string } = {},
  ): Promise<Reply> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token ?? (await this.issuer.token())}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = text.startsWith("{") ? (JSON.parse(text) as Reply["json"]) : {};
    return { status: response.status, headers: response.headers, json };
  }

  async get<View>(path: string): Promise<View> {
    const { status, json } = await this.call("GET", path);
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(json)}`);
    return json as View;
  }
}
